//! Logs a run for TensorBoard.
//!
//! Each start of a run opens a new file, which begins with the step at which it resumes:
//! TensorBoard then discards what a killed process had written for later steps. Training does not
//! depend on these files, so the first error is reported and nothing is written after it.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message;

use super::{
    event::{Event, FILE_VERSION, SessionLog, SessionStatus, Summary, Value, What},
    frame::write_record,
};
use crate::{eval::results::TrialResults, progress::Progress, step_record::StepRecord};

/// Prefix of event file names: readers recognise them by it, and read them in name order.
pub const FILE_PREFIX: &str = "events.out.tfevents.";

/// An event file that is being written.
pub struct EventLog<'a> {
    folder: &'a Path,
    /// `None` after an error.
    file: Option<File>,
    progress: &'a Progress,
}

impl<'a> EventLog<'a> {
    /// Opens a new file in `folder` for a run that resumes at `next_step`.
    pub fn resume(folder: &'a Path, next_step: u64, progress: &'a Progress) -> Self {
        let mut log = Self {
            folder,
            file: None,
            progress,
        };
        match new_file(folder) {
            Ok(file) => {
                log.file = Some(file);
                log.write(0, What::FileVersion(FILE_VERSION.into()));
                let start = SessionLog {
                    status: SessionStatus::Start.into(),
                };
                log.write(next_step, What::SessionLog(start));
            }
            Err(error) => log.give_up(&error),
        }
        log
    }

    /// Writes the figures of a training step, as in `train_log.jsonl`.
    pub fn step(&mut self, record: &StepRecord) {
        let seconds = record.seconds.max(f64::MIN_POSITIVE);
        let values = [
            ("train/loss", record.loss),
            ("train/learning_rate", record.learning_rate),
            ("train/grad_norm", record.grad_norm),
            (
                "train/features_per_second",
                record.features as f64 / seconds,
            ),
            ("train/tokens_per_second", record.tokens as f64 / seconds),
        ];
        self.scalars(record.step, values.map(|(tag, value)| (tag.into(), value)));
    }

    /// Writes the metrics of the model after `steps` steps, under the tag `of`.
    pub fn evaluation(&mut self, of: &str, steps: u64, results: &TrialResults) {
        let values = results.tasks.iter().flat_map(|(task, scores)| {
            scores
                .iter()
                .map(move |(key, figure)| (format!("{of}/{task}/{key}"), figure.value()))
        });
        self.scalars(steps, values);
    }

    fn scalars(&mut self, step: u64, values: impl IntoIterator<Item = (String, f64)>) {
        let values = values.into_iter().map(|(tag, value)| Value {
            tag,
            simple_value: Some(value as f32),
        });
        let summary = Summary {
            values: values.collect(),
        };
        self.write(step, What::Summary(summary));
    }

    fn write(&mut self, step: u64, what: What) {
        let Some(file) = &mut self.file else { return };
        let event = Event {
            wall_time: since_1970(),
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        if let Err(error) = write_record(file, &event.encode_to_vec()) {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        self.file = None;
        self.progress.note(&format!(
            "{}: TensorBoard's event file cannot be written: {error}; the run continues without it",
            self.folder.display()
        ));
    }
}

/// Returns the event files of a folder in the order in which they were started.
///
/// # Errors
/// If the folder cannot be read.
pub fn event_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(FILE_PREFIX.as_bytes())
        {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Creates a file whose name sorts after all earlier ones, even if the clock was set back or a run
/// starts twice within a second.
fn new_file(folder: &Path) -> io::Result<File> {
    let last = event_files(folder)?.last().and_then(|path| second(path));
    let mut second = since_1970() as u64;
    if let Some(last) = last {
        second = second.max(last.saturating_add(1));
    }
    loop {
        let path = folder.join(format!("{FILE_PREFIX}{second:010}.electra"));
        match OpenOptions::new().append(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => second += 1,
            opened => return opened,
        }
    }
}

/// Returns the second in an event file's name.
fn second(path: &Path) -> Option<u64> {
    let rest = path.file_name()?.to_str()?.strip_prefix(FILE_PREFIX)?;
    let digits = rest.find('.').map_or(rest, |dot| &rest[..dot]);
    // Ten digits, as in the names that all programs write: with more, names would no longer sort by
    // time.
    digits.parse().ok().filter(|second| *second < 9_999_999_999)
}

fn since_1970() -> f64 {
    // A clock set before 1970 is treated as absent.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Output;
    use crate::tensorboard::scalars::read_scalars;

    fn record(step: u64, loss: f64) -> StepRecord {
        StepRecord {
            step,
            loss,
            task_losses: None,
            grad_norm: 2.0,
            learning_rate: 1e-3,
            features: 8,
            tokens: 1000,
            seconds: 0.5,
            peak_bytes: None,
            exchange: None,
        }
    }

    #[test]
    fn a_run_that_goes_on_replaces_later_steps() {
        let folder = tempfile::tempdir().unwrap();
        let progress = Progress::new(Output::Quiet);
        let mut log = EventLog::resume(folder.path(), 0, &progress);
        for step in 0..5 {
            log.step(&record(step, step as f64));
        }
        // Killed after step 4, with a checkpoint of step 3; restarted within the same second.
        let mut log = EventLog::resume(folder.path(), 3, &progress);
        for step in 3..6 {
            log.step(&record(step, 10.0 + step as f64));
        }
        assert_eq!(event_files(folder.path()).unwrap().len(), 2);
        let scalars = read_scalars(folder.path()).unwrap();
        assert_eq!(
            scalars["train/loss"],
            [
                (0, 0.0),
                (1, 1.0),
                (2, 2.0),
                (3, 13.0),
                (4, 14.0),
                (5, 15.0)
            ]
        );
        assert_eq!(scalars["train/features_per_second"][0], (0, 16.0));
        assert_eq!(scalars["train/tokens_per_second"][0], (0, 2000.0));
        assert_eq!(scalars["train/grad_norm"][5], (5, 2.0));
        assert_eq!(scalars["train/learning_rate"][5], (5, 1e-3));
    }

    #[test]
    fn zero_is_a_value() {
        let folder = tempfile::tempdir().unwrap();
        let progress = Progress::new(Output::Quiet);
        let warming_up = StepRecord {
            learning_rate: 0.0,
            ..record(0, 1.0)
        };
        EventLog::resume(folder.path(), 0, &progress).step(&warming_up);
        let scalars = read_scalars(folder.path()).unwrap();
        assert_eq!(scalars["train/learning_rate"], [(0, 0.0)]);
    }

    #[test]
    fn names_rise_even_when_the_clock_was_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let later = format!("{FILE_PREFIX}9000000000.elsewhere");
        std::fs::write(folder.path().join(later), b"").unwrap();
        drop(EventLog::resume(
            folder.path(),
            0,
            &Progress::new(Output::Quiet),
        ));
        let files = event_files(folder.path()).unwrap();
        assert!(files[1].ends_with(format!("{FILE_PREFIX}9000000001.electra")));
    }

    #[test]
    fn a_folder_that_is_not_there_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let progress = Progress::new(Output::Quiet);
        let mut log = EventLog::resume(&gone, 0, &progress);
        log.step(&record(0, 1.0));
        assert!(log.file.is_none() && !gone.exists());
    }
}
