//! Saves a run's checkpoints when due: ensures disk space, retries once, and removes the oldest
//! checkpoints.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use burn::module::Module;
use serde_json::Value;

use super::{
    adam::Adam,
    checkpoint::{self, state::State},
    disk_space,
    loss_scale::LossScale,
};
use crate::progress::Progress;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error(transparent)]
    DiskSpace(#[from] disk_space::Error),
}

/// Saves the checkpoints of one run.
pub struct Saver<'a> {
    pub model_dir: &'a Path,
    pub tasks: &'a [String],
    pub hparams: &'a Value,
    /// Total steps of the run.
    pub steps: u64,
    pub every_steps: u64,
    pub every: Duration,
    /// Number of checkpoints that are kept.
    pub keep: usize,
    /// Size of a checkpoint in bytes.
    pub bytes: u64,
    /// When the last checkpoint was saved, or the run began.
    pub saved: Instant,
    pub progress: &'a Progress,
}

impl Saver<'_> {
    /// Makes room for a checkpoint.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn ensure_space(&self) -> Result<(), disk_space::Error> {
        disk_space::ensure(self.model_dir, self.bytes, &mut |line| {
            self.progress.note(&line);
        })
    }

    /// Returns whether a checkpoint is due after `step` steps.
    pub fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.every_steps)
            || self.saved.elapsed() >= self.every
            || step == self.steps
    }

    /// Saves the run's state after `step` steps.
    ///
    /// # Errors
    /// If the disk is full, or writing the checkpoint fails twice.
    pub fn save(
        &mut self,
        step: u64,
        model: &impl Module,
        adam: &Adam,
        loss_scale: Option<LossScale>,
    ) -> Result<(), Error> {
        let state = State {
            step,
            steps: self.steps,
            hparams: self.hparams.clone(),
            loss_scale,
            files: BTreeMap::new(),
        };
        let save = || {
            let mut note = |line: String| self.progress.note(&line);
            checkpoint::save(self.model_dir, model, self.tasks, adam, &state, &mut note)
        };
        self.ensure_space()?;
        if let Err(error) = save() {
            // Other processes may have used the space meanwhile: free some again, or report that
            // there is none.
            log::warn!("{error}");
            self.ensure_space()?;
            save()?;
        }
        checkpoint::prune(self.model_dir, self.keep)?;
        self.saved = Instant::now();
        Ok(())
    }
}
