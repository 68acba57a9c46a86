//! The figures of a run's steps, checked and logged as they arrive from the device; of the last one the
//! norm may still be on its way, as in [`train::arrivals`](crate::train::arrivals).

use std::{path::PathBuf, time::Instant};

use super::error::{Error, io_of};
use crate::{
    config::PretrainConfig,
    pretrain::{
        figures::{Figures, Losses},
        operations::operations,
        part::Masked,
        seen::Seen,
        step::ComingNorm,
        step_log::{StepLog, StepRecord},
        symptoms::{Symptom, Symptoms},
    },
    progress::Progress,
    train::{
        loss_scale::LossScale, step_clock::StepClock, step_failure::StepFailure, watch::Watch,
    },
};

/// A step before its norm is known.
pub(super) struct Step {
    pub began: Instant,
    pub figures: Figures,
    /// What its line in the log has besides the norm, the time and what follows from them.
    pub record: StepRecord,
}

impl Step {
    /// A step on this batch, which began then; `record` has its number, rate and memory.
    pub fn new(
        config: &PretrainConfig,
        began: Instant,
        losses: Losses,
        seen: &[Seen],
        batch: &[Masked],
        record: StepRecord,
    ) -> Self {
        let mut figures = Figures::default();
        figures.add(seen, 0);
        let of_discriminator = |figure: f64| config.has_discriminator().then_some(figure);
        let record = StepRecord {
            loss: losses.total,
            masked_lm_loss: losses.masked_lm,
            cloze_loss: losses.cloze,
            disc_loss: losses.discriminator,
            masked_lm_accuracy: figures.masked_lm_accuracy(),
            replaced: figures.replaced(),
            disc_auc: of_discriminator(figures.auc()),
            disc_precision: of_discriminator(figures.precision()),
            disc_recall: of_discriminator(figures.recall()),
            examples: batch.len(),
            unmaskable: batch.iter().filter(|it| it.slots.is_empty()).count(),
            tokens: batch.iter().map(Masked::tokens).sum(),
            operations: operations(config, batch.iter().map(|it| (it.tokens(), it.slots.len()))),
            ..record
        };
        Self {
            began,
            figures,
            record,
        }
    }
}

/// Watches and logs a run's steps.
pub(super) struct Arrivals<'a> {
    pub watch: Watch<'a>,
    /// Whether the loss is scaled.
    scaled: bool,
    symptoms: Symptoms<'a>,
    log: StepLog,
    peak_tflops: Option<f64>,
    progress: &'a Progress,
    /// The step whose update is launched and whose norm is on its way.
    awaited: Option<(Step, ComingNorm)>,
    clock: StepClock,
}

impl<'a> Arrivals<'a> {
    /// `loss_scale` is that of the next step; `None` if the loss is not scaled.
    pub fn new(
        config: &'a PretrainConfig,
        loss_scale: Option<LossScale>,
        log: StepLog,
        progress: &'a Progress,
    ) -> Self {
        Self {
            scaled: loss_scale.is_some(),
            watch: Watch::new(loss_scale, progress),
            symptoms: Symptoms::new(config),
            log,
            peak_tflops: config.peak_tflops,
            progress,
            awaited: None,
            clock: StepClock::default(),
        }
    }

    /// Leaves the norm of a step, whose update is launched, for [`arrive`](Self::arrive).
    pub fn expect(&mut self, step: Step, norm: ComingNorm) {
        self.awaited = Some((step, norm));
    }

    /// What the loss of the next step is multiplied by, if the norm that is on its way is finite.
    pub fn expected_factor(&self) -> f64 {
        match self.awaited {
            Some(_) => self.watch.expected_factor(),
            None => self.watch.loss_factor(),
        }
    }

    /// Waits for the norm that is on its way, if one is, then checks and logs the step.
    ///
    /// # Errors
    /// If the device fails, the figures end the run, or the log cannot be written.
    pub fn arrive(&mut self) -> Result<(), Error> {
        let Some((step, norm)) = self.awaited.take() else {
            return Ok(());
        };
        let number = step.record.step;
        let figures = norm.wait().map_err(|source| StepFailure {
            step: number,
            source,
        })?;
        self.watch.check_finite(figures, number, &[])?;
        self.log(step, figures.grad_norm)
    }

    /// Logs a step whose figures are checked.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn log(&mut self, step: Step, grad_norm: f64) -> Result<(), Error> {
        let number = step.record.step;
        let loss_scale = self.scaled.then(|| self.watch.loss_factor());
        let warnings = self.symptoms.after(number + 1, &step.figures, loss_scale);
        for warning in &warnings {
            log::warn!("step {number}: {warning}");
        }
        let record = StepRecord {
            grad_norm,
            loss_scale,
            warnings: warnings.iter().map(Symptom::to_string).collect(),
            ..step.record
        };
        let record = record.took(self.clock.took(step.began), self.peak_tflops);
        let path = self.path();
        self.log
            .step(&record, self.progress)
            .map_err(io_of(path, "writing"))
    }

    /// Makes the lines so far durable.
    ///
    /// # Errors
    /// If the system cannot.
    pub fn sync(&self) -> Result<(), Error> {
        self.log.sync().map_err(io_of(self.path(), "syncing"))
    }

    fn path(&self) -> PathBuf {
        self.log.path().to_owned()
    }
}
