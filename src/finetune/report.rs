//! The report of a run: what its trials leave, gathered as they end.

use std::path::Path;

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
    training: Vec<TrainingCurve>,
    origin: Option<Origin>,
}

impl RunReport {
    /// Takes the training log of a model folder, where it has one.
    pub fn add_training(&mut self, model_dir: &Path, trial: usize, progress: &Progress) {
        let log = model_dir.join(step_record::FILE);
        if !log.is_file() {
            return;
        }
        match TrainingCurve::read(&log, &format!("trial {trial}")) {
            Ok(curve) => self.training.push(curve),
            Err(error) => progress.note(&format!("report without a training curve: {error}")),
        }
    }

    /// Takes where a trial's figures come from; not all tasks' answers have a record that tells.
    pub fn came_from(&mut self, origin: &Origin) {
        self.origin = Some(origin.clone());
    }

    /// Writes `T_report.html` on the trials so far and the answers of the last of them to the
    /// files of `dev`.
    ///
    /// # Errors
    /// When the answers cannot be read or the file cannot be written.
    pub fn write(
        &mut self,
        config: &Config,
        dev: &[Box<dyn TaskFile>],
        trials: &[TrialResults],
    ) -> Result<(), Error> {
        let paths = config.paths();
        let sections = sections(dev, paths, None)?;
        let report = Report {
            title: format!("{} on {}", config.model_name, config.task_label()),
            trials: trials.to_vec(),
            disputed: Vec::new(),
            training: std::mem::take(&mut self.training),
            tasks: sections.iter().map(AsRef::as_ref).collect(),
            origin: self.origin.clone(),
            examples: EXAMPLES,
            made: Some(Made::now()),
        };
        let written = report.write(&paths.report());
        self.training = report.training;
        Ok(written?)
    }
}
