//! `pretrain_log.jsonl`: one JSON object per step, and the same figures on a terminal.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{progress::Progress, ranks::Cost, train::log::jsonl};

/// The log's name in the model's folder.
pub const FILE: &str = "pretrain_log.jsonl";

/// Weight of the past in the smoothed figures on the terminal.
const SMOOTHING: f64 = 0.9;

/// The figures of one step. One that is not a number is `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 0.
    pub step: u64,
    /// The training loss: the weighted sum of the losses.
    #[serde(deserialize_with = "null_as_nan")]
    pub loss: f64,
    #[serde(deserialize_with = "null_as_nan")]
    pub masked_lm_loss: f64,
    /// Two towers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloze_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_loss: Option<f64>,
    #[serde(deserialize_with = "null_as_nan")]
    pub masked_lm_accuracy: f64,
    /// The share of the slots whose token changed.
    #[serde(deserialize_with = "null_as_nan")]
    pub replaced: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_auc: Option<f64>,
    /// Precision: the share of the tokens called replaced that are; 0 if none is called so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_precision: Option<f64>,
    /// Recall: the share of the replaced tokens that are called so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_recall: Option<f64>,
    /// Before clipping.
    #[serde(deserialize_with = "null_as_nan")]
    pub grad_norm: f64,
    pub learning_rate: f64,
    /// The loss scale in f16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    pub examples: usize,
    /// Examples with special tokens only, from which the generator learns nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unmaskable: usize,
    pub tokens: usize,
    pub seconds: f64,
    /// Floating-point operations of the step's matrix products.
    #[serde(skip)]
    pub operations: f64,
    /// The same per second.
    #[serde(default)]
    pub model_flops_per_s: f64,
    /// As a share of the device's peak, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_peak: Option<f64>,
    /// Peak memory of the run so far; absent if the system cannot report it.
    pub peak_bytes: Option<u64>,
    /// What it has cost rank 0 to sum the gradients of several ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Cost>,
    /// Warnings at the end of a stretch of steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// JSON has no NaN.
fn null_as_nan<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(value)?.unwrap_or(f64::NAN))
}

impl StepRecord {
    /// Adds the time of the step, on a device with a peak of `peak_tflops` TFLOP/s.
    pub fn took(self, time: Duration, peak_tflops: Option<f64>) -> Self {
        let seconds = time.as_secs_f64();
        let rate = self.operations / seconds.max(1e-9);
        Self {
            seconds,
            model_flops_per_s: rate,
            share_of_peak: peak_tflops.map(|peak| rate / (1e12 * peak)),
            ..self
        }
    }
}

#[derive(Debug, Deserialize)]
struct Numbered {
    step: u64,
}

/// The log of a run, open for appending.
#[derive(Debug)]
pub struct StepLog {
    path: PathBuf,
    file: File,
    shown: Shown,
    /// Whether examples without a token to mask were reported.
    told: bool,
}

impl StepLog {
    /// Opens the log of a run that resumes at `next_step`. Lines from that step on and incomplete lines are
    /// cut off; `note` is told of damaged and of missing lines before it.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn resume(
        model_dir: &Path,
        next_step: u64,
        note: &mut dyn FnMut(String),
    ) -> io::Result<Self> {
        let path = model_dir.join(FILE);
        let step_of = |line: &[u8]| {
            let numbered = serde_json::from_slice::<Numbered>(line).ok()?;
            Some(numbered.step)
        };
        Ok(Self {
            file: jsonl::open(&path, next_step, 1, step_of, note)?,
            path,
            shown: Shown::default(),
            told: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Logs a step.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn step(&mut self, record: &StepRecord, progress: &Progress) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        if record.unmaskable > 0 && !self.told {
            self.told = true;
            progress.note(&format!(
                "step {}: {} of {} examples have only special tokens, from which the generator learns \
                 nothing; the log counts them as unmaskable",
                record.step, record.unmaskable, record.examples
            ));
        }
        let figures = self.shown.figures(record);
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

/// Smoothed figures for the terminal.
#[derive(Debug, Default)]
struct Shown {
    /// Loss, accuracy and share replaced; with a discriminator also area, precision and recall.
    smoothed: Vec<f64>,
    tokens: usize,
    operations: f64,
    seconds: f64,
}

impl Shown {
    /// The figures for the line after a step, the most important first.
    fn figures(&mut self, record: &StepRecord) -> Vec<String> {
        let mut now = vec![record.loss, record.masked_lm_accuracy, record.replaced];
        now.extend(record.disc_auc);
        now.extend(record.disc_precision);
        now.extend(record.disc_recall);
        if self.smoothed.len() == now.len() {
            for (shown, now) in self.smoothed.iter_mut().zip(now) {
                *shown = SMOOTHING * *shown + (1.0 - SMOOTHING) * now;
            }
        } else {
            self.smoothed = now;
        }
        self.tokens += record.tokens;
        self.operations += record.operations;
        self.seconds += record.seconds;
        let percent = |name: &str, part: f64| format!("{name} {:.1} %", 100.0 * part);
        let percent_of = |part: f64| format!("{:.1} % of peak", 100.0 * part);
        let shown = &self.smoothed;
        let mut figures = vec![
            format!("loss {:.3}", shown[0]),
            percent("MLM", shown[1]),
            percent("replaced", shown[2]),
        ];
        if let [auc, precision, recall] = shown[3..] {
            figures.push(format!("AUC {auc:.3}"));
            figures.push(percent("precision", precision));
            figures.push(percent("recall", recall));
        }
        let seconds = self.seconds.max(1e-9);
        figures.push(format!("{:.0} tokens/s", self.tokens as f64 / seconds));
        let rate = self.operations / seconds;
        let peak = record
            .share_of_peak
            .map(|share| record.model_flops_per_s / share);
        figures.push(match peak {
            Some(peak) => percent_of(rate / peak),
            None if rate < 1e11 => format!("{:.1} GFLOP/s", rate / 1e9),
            None => format!("{:.3} TFLOP/s", rate / 1e12),
        });
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> StepRecord {
        let record = StepRecord {
            step: 6,
            loss: 26.0,
            masked_lm_accuracy: 0.15,
            replaced: 0.9,
            disc_auc: Some(0.5),
            disc_precision: Some(0.25),
            disc_recall: Some(0.5),
            examples: 8,
            tokens: 400,
            operations: 3e12,
            ..StepRecord::default()
        };
        record.took(Duration::from_secs(2), None)
    }

    #[test]
    fn the_line_tells_every_figure_smoothed() {
        let mut shown = Shown::default();
        assert_eq!(
            shown.figures(&record()).join("  "),
            "loss 26.000  MLM 15.0 %  replaced 90.0 %  AUC 0.500  precision 25.0 %  recall 50.0 %  \
             200 tokens/s  1.500 TFLOP/s"
        );
        // The past counts nine tenths; the rates are averages over all steps.
        let next = StepRecord {
            loss: 16.0,
            disc_recall: Some(0.4),
            ..record()
        };
        let next = next.took(Duration::from_secs(4), Some(10.0));
        assert_eq!(next.share_of_peak, Some(0.075));
        assert_eq!(
            shown.figures(&next).join("  "),
            "loss 25.000  MLM 15.0 %  replaced 90.0 %  AUC 0.500  precision 25.0 %  recall 49.0 %  \
             133 tokens/s  10.0 % of peak"
        );
    }

    #[test]
    fn a_line_of_the_log_is_read_as_it_was_written_and_older_ones_are_too() {
        let written = StepRecord {
            grad_norm: f64::NAN,
            warnings: vec!["much".to_owned()],
            unmaskable: 2,
            ..record()
        };
        let line = serde_json::to_string(&written).unwrap();
        assert!(line.contains(r#""grad_norm":null"#), "{line}");
        let read: StepRecord = serde_json::from_str(&line).unwrap();
        assert!(read.grad_norm.is_nan());
        let same = StepRecord {
            grad_norm: 0.0,
            operations: 3e12,
            ..read
        };
        assert_eq!(
            same,
            StepRecord {
                grad_norm: 0.0,
                ..written
            }
        );
        // As the first version wrote it.
        let older = r#"{"step":0,"loss":26.1,"masked_lm_loss":7.6,"disc_loss":0.69,
            "masked_lm_accuracy":0.0,"replaced":1.0,"disc_auc":0.5,"grad_norm":3.0,
            "learning_rate":0.0,"examples":8,"tokens":300,"seconds":0.5,"peak_bytes":null}"#;
        let read: StepRecord = serde_json::from_str(older).unwrap();
        assert_eq!((read.disc_recall, read.unmaskable), (None, 0));
        assert!(
            !serde_json::to_string(&record())
                .unwrap()
                .contains("unmaskable")
        );
    }
}
