//! The report of a run: what its trials leave, gathered as they end.

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

/// Gathers a run's training curves; the folders that hold them may go before the run ends.
#[derive(Debug, Default)]
pub struct RunReport {
    /// By trial; none of a log that could not be read.
    training: BTreeMap<usize, Option<TrainingCurve>>,
    origin: Option<Origin>,
}

impl RunReport {
    /// Takes the training log of a trial that has ended, where its model folder has one.
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

    /// Takes where a trial's figures come from; not all tasks' answers have a record that tells.
    pub fn came_from(&mut self, origin: &Origin) {
        self.origin = Some(origin.clone());
    }

    /// Writes `T_report.html` on the trials so far, by their numbers, and the answers of the last of
    /// them to the files of `dev`.
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
