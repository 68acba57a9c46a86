//! The scores of a run's trials, and the files that contain those of all trials.

use std::collections::BTreeMap;

use super::{Error, one_line, report::RunReport, stale_summary};
use crate::{
    config::Config,
    eval::{figures::Scores, result_file::write_results, results::TrialResults},
    tasks::{kind::task, task::TaskFile},
};

/// The scores of the trials so far, and their files.
pub(super) struct Figures<'a> {
    pub config: &'a Config,
    /// The dev files that were answered.
    pub dev: &'a [Box<dyn TaskFile>],
    pub report: RunReport,
    /// Whether the report page shows these scores.
    pub has_report: bool,
    /// Whether the files contain these scores.
    pub is_written: bool,
    /// By number.
    pub trials: BTreeMap<usize, TrialResults>,
}

impl<'a> Figures<'a> {
    /// No trial yet.
    pub fn new(config: &'a Config, dev: &'a [Box<dyn TaskFile>]) -> Self {
        Self {
            config,
            dev,
            report: RunReport::default(),
            has_report: false,
            is_written: false,
            trials: BTreeMap::new(),
        }
    }

    /// In order of trial number.
    pub fn results(&self) -> Vec<TrialResults> {
        self.trials.values().cloned().collect()
    }

    /// Writes them to disk, and a report page.
    ///
    /// # Errors
    /// If a file cannot be written; a failure to write the page does not end the run.
    pub fn write(&mut self) -> Result<(), Error> {
        let trials = self.results();
        stale_summary::leave(self.config, &trials)?;
        let config = self.config;
        let line = |name: &str, scores: &Scores| task(name, config).results_line(scores);
        write_results(config.paths(), &trials, line)?;
        let page = self.report.write(self.config, self.dev, &self.trials);
        if let Err(error) = &page {
            log::warn!("the run continues without its report: {}", one_line(error));
        }
        self.has_report = page.is_ok();
        self.is_written = true;
        Ok(())
    }
}
