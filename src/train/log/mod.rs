//! The outputs for a run's steps: `train_log.jsonl`, TensorBoard events and the terminal.

pub mod dev_jsonl;
pub mod jsonl;

use std::path::{Path, PathBuf};

use self::jsonl::TrainLog;
use super::run_folder::TRAIN_LOG;
use crate::{
    eval::results::TrialResults, progress::Progress, step_record::StepRecord,
    tensorboard::event_log::EventLog,
};

/// A run's log that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}; free space or choose another model_dir")]
pub struct Error {
    path: PathBuf,
    source: std::io::Error,
}

/// All logs of a run.
pub struct RunLog<'a> {
    lines: TrainLog,
    events: EventLog<'a>,
    progress: &'a Progress,
}

impl<'a> RunLog<'a> {
    /// Opens the logs in `model_dir` of a run that resumes at `next_step` and writes every
    /// `log_every` steps, as [`TrainLog::resume`] and [`EventLog::resume`] do.
    ///
    /// # Errors
    /// If `train_log.jsonl` cannot be opened or repaired.
    pub fn resume(
        model_dir: &'a Path,
        next_step: u64,
        log_every: u64,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        let path = model_dir.join(TRAIN_LOG);
        let mut note = |line: String| progress.note(&line);
        let lines = TrainLog::resume(&path, next_step, log_every, &mut note)
            .map_err(|source| Error { path, source })?;
        Ok(Self {
            lines,
            events: EventLog::resume(model_dir, next_step, progress),
            progress,
        })
    }

    /// Logs a step.
    ///
    /// # Errors
    /// If `train_log.jsonl` cannot be written.
    pub fn step(&mut self, record: &StepRecord) -> Result<(), Error> {
        self.lines
            .write(record)
            .map_err(|source| self.error(source))?;
        self.events.step(record);
        self.progress.step(record);
        Ok(())
    }

    /// Logs the model's scores after `steps` steps.
    pub fn evaluation(&mut self, steps: u64, results: &TrialResults) {
        self.events.evaluation("eval", steps, results);
    }

    /// Flushes the lines of `train_log.jsonl` so far to disk.
    ///
    /// # Errors
    /// If the system cannot do so.
    pub fn sync(&self) -> Result<(), Error> {
        self.lines.sync().map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> Error {
        Error {
            path: self.lines.path().into(),
            source,
        }
    }
}
