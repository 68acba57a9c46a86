//! `pretrain_log.jsonl`: one JSON object a step, and the same figures on a terminal.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{durable_file::write_whole, progress::Progress, train::run_folder};

/// The log's name in the model's folder.
pub const FILE: &str = "pretrain_log.jsonl";

/// Weight of the past in the figures that are shown.
const SMOOTHING: f64 = 0.9;

/// What one step did. A figure that is no number is `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// From 0.
    pub step: u64,
    /// What is learnt from: the losses by their weights.
    pub loss: f64,
    pub masked_lm_loss: f64,
    /// Of two towers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloze_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_loss: Option<f64>,
    pub masked_lm_accuracy: f64,
    /// The part of the slots whose token is another.
    pub replaced: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_auc: Option<f64>,
    /// Before clipping.
    pub grad_norm: f64,
    pub learning_rate: f64,
    pub examples: usize,
    pub tokens: usize,
    pub seconds: f64,
    /// The most memory that the run has held so far; absent where it cannot be told.
    pub peak_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Numbered {
    step: u64,
}

/// The log of a run, open at its end.
#[derive(Debug)]
pub struct StepLog {
    path: PathBuf,
    file: File,
    shown: Vec<f64>,
    tokens: usize,
    seconds: f64,
}

impl StepLog {
    /// Opens the log of a run that goes on at `next_step`: lines from that step on, and whatever is no
    /// whole line, are cut off.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn resume(
        model_dir: &Path,
        next_step: u64,
        note: &mut dyn FnMut(String),
    ) -> io::Result<Self> {
        let path = model_dir.join(FILE);
        run_folder::remove_link(&path, note)?;
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let kept = text.split_inclusive('\n').filter(|line| {
            let step = serde_json::from_str::<Numbered>(line).map(|line| line.step);
            line.ends_with('\n') && step.is_ok_and(|step| step < next_step)
        });
        let kept: String = kept.collect();
        write_whole(&path, |out| out.write_all(kept.as_bytes()))?;
        Ok(Self {
            file: OpenOptions::new().append(true).open(&path)?,
            path,
            shown: Vec::new(),
            tokens: 0,
            seconds: 0.0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells a step.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn step(&mut self, record: &StepRecord, progress: &Progress) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        let mut figures = vec![record.loss, record.masked_lm_accuracy, record.replaced];
        figures.extend(record.disc_auc);
        if self.shown.len() == figures.len() {
            for (shown, now) in self.shown.iter_mut().zip(figures) {
                *shown = SMOOTHING * *shown + (1.0 - SMOOTHING) * now;
            }
        } else {
            self.shown = figures;
        }
        self.tokens += record.tokens;
        self.seconds += record.seconds;
        let percent = |value: f64| 100.0 * value;
        let mut figures = vec![
            format!("loss {:.3}", self.shown[0]),
            format!("MLM {:.1} %", percent(self.shown[1])),
            format!("replaced {:.1} %", percent(self.shown[2])),
        ];
        figures.extend(self.shown.get(3).map(|auc| format!("AUC {auc:.3}")));
        let rate = self.tokens as f64 / self.seconds.max(1e-9);
        figures.push(format!("{rate:.0} tokens/s"));
        progress.figures(record.step + 1, figures, serde_json::json!(record));
        Ok(())
    }

    /// Makes the lines so far durable.
    ///
    /// # Errors
    /// If the system cannot.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
