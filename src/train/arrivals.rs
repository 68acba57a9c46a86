//! The figures of a run's steps, checked and logged as they arrive from the device.
//!
//! On a GPU a step's update is launched before its loss and norm are known: the device itself leaves
//! out gradients that are not finite. The host looks at the figures once the next step is launched, so
//! that the device never waits for it. What follows from them comes in the same order as if they were
//! read at once, because at most one step's are awaited, and nothing is saved, evaluated or ended before
//! they have arrived.

use std::{collections::BTreeMap, time::Instant};

use super::{
    log::{self, RunLog},
    step::{ComingFigures, StepFigures},
    step_clock::StepClock,
    step_failure::StepFailure,
    watch::{self, Watch},
};
use crate::step_record::StepRecord;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Device(#[from] StepFailure),
    #[error(transparent)]
    Watch(#[from] watch::Error),
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// A step before its figures are known.
pub struct Step {
    pub step: u64,
    /// Its features.
    pub rows: Vec<usize>,
    pub began: Instant,
    /// What its line in the log has besides figures and time; `None` if it has no line.
    pub record: Option<StepRecord>,
}

/// Figures that are known, and figures of at most one step that are awaited.
pub struct Arrivals<'a> {
    tasks: &'a [String],
    awaited: Option<(Step, ComingFigures)>,
    clock: StepClock,
}

impl<'a> Arrivals<'a> {
    pub fn new(tasks: &'a [String]) -> Self {
        Self {
            tasks,
            awaited: None,
            clock: StepClock::default(),
        }
    }

    /// Returns whether the figures of a step are still on their way.
    pub fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// Leaves the figures of a step, whose update is launched, for [`arrive`](Self::arrive).
    pub fn expect(&mut self, step: Step, figures: ComingFigures) {
        self.awaited = Some((step, figures));
    }

    /// Waits for the figures that are on their way, if any are, then checks and logs them.
    ///
    /// # Errors
    /// If the device fails, the figures end the run, or the log cannot be written.
    pub fn arrive(&mut self, watch: &mut Watch, log: &mut RunLog) -> Result<(), Error> {
        let Some((step, figures)) = self.awaited.take() else {
            return Ok(());
        };
        let (figures, task_losses) = figures.wait().map_err(|source| StepFailure {
            step: step.step,
            source,
        })?;
        watch.check_finite(figures, step.step, &step.rows)?;
        Ok(self.log(step, figures, &task_losses, log)?)
    }

    /// Logs the figures of a step, which are checked.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn log(
        &mut self,
        step: Step,
        figures: StepFigures,
        task_losses: &[f64],
        log: &mut RunLog,
    ) -> Result<(), log::Error> {
        let time = self.clock.took(step.began);
        let Some(record) = step.record else {
            return Ok(());
        };
        log.step(&StepRecord {
            loss: figures.loss,
            task_losses: by_task(self.tasks, task_losses),
            grad_norm: figures.grad_norm,
            seconds: time.as_secs_f64(),
            ..record
        })
    }
}

/// The losses of several tasks by name; one task's is that of the step.
fn by_task(tasks: &[String], losses: &[f64]) -> Option<BTreeMap<String, Option<f64>>> {
    let finite = losses
        .iter()
        .map(|&loss| Some(loss).filter(|loss| loss.is_finite()));
    (tasks.len() > 1).then(|| tasks.iter().cloned().zip(finite).collect())
}
