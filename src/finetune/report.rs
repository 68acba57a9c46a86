//! The report of a run: its trials' results, collected as they end.

use std::{collections::BTreeMap, path::Path};

use crate::{
    config::Config,
    eval::{origin::Origin, results::TrialResults},
    progress::Progress,
    report::{self, EXAMPLES, Made, Report, TrainingCurve},
    step_record,
    tasks::{self, kind::sections, task::TaskFile},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Tasks(#[from] tasks::Error),
    #[error(transparent)]
    Report(#[from] report::Error),
}

/// Collects a run's training curves; the folders that contain them may be removed before the run ends.
#[derive(Debug, Default)]
pub struct RunReport {
    /// By trial; `None` if the log could not be read.
    training: BTreeMap<usize, Option<TrainingCurve>>,
    origin: Option<Origin>,
}

impl RunReport {
    /// Reads the training log of a finished trial, if its model folder has one.
    pub fn add_training(&mut self, model_dir: &Path, trial: usize, progress: &Progress) {
        let log = model_dir.join(step_record::FILE);
        if self.training.contains_key(&trial) || !log.is_file() {
            return;
        }
        let curve = TrainingCurve::read(&log, &format!("trial {trial}"));
        if let Err(error) = &curve {
            progress.note(&format!("report without a training curve: {error}"));
        }
        self.training.insert(trial, curve.ok());
    }

    /// Sets the provenance of a trial's scores; not every task's answers record it.
    pub fn came_from(&mut self, origin: &Origin) {
        self.origin = Some(origin.clone());
    }

    /// Writes `T_report.html`: the scores of the trials so far, by number, and the last one's answers to the
    /// `dev` files.
    ///
    /// # Errors
    /// If the answers cannot be read or the file cannot be written.
    pub fn write(
        &self,
        config: &Config,
        dev: &[Box<dyn TaskFile>],
        trials: &BTreeMap<usize, TrialResults>,
    ) -> Result<(), Error> {
        let paths = config.paths();
        let sections = sections(dev, paths, None)?;
        let report = Report {
            title: format!("{} on {}", config.model_name, config.task_label()),
            trials: trials.values().cloned().collect(),
            numbers: trials.keys().copied().collect(),
            disputed: Vec::new(),
            training: self.training.values().flatten().cloned().collect(),
            tasks: sections.iter().map(AsRef::as_ref).collect(),
            origin: self.origin.clone(),
            examples: EXAMPLES,
            made: Some(Made::now()),
        };
        Ok(report.write(&paths.report())?)
    }
}
