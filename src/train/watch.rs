//! Watches a run's figures: follows the loss scale, skips updates, and aborts after ten consecutive
//! non-finite steps.

use super::{loss_scale::LossScale, step::StepFigures};
use crate::progress::Progress;

/// Consecutive steps with non-finite figures after which a run is aborted.
const NOT_FINITE_STEPS: u32 = 10;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "step {step}: gradients are beyond f16's range even unscaled; give --precision f32, or \
         lower learning_rate"
    )]
    Overflow { step: u64 },
    #[error(
        "step {step}: loss {loss}, gradient norm {grad_norm}: not finite in {NOT_FINITE_STEPS} consecutive \
         steps; lower learning_rate, or look for damaged data near feature {feature}; the last checkpoint \
         is kept"
    )]
    NotFinite {
        step: u64,
        loss: f64,
        grad_norm: f64,
        feature: usize,
    },
}

pub struct Watch<'a> {
    /// If the loss is scaled.
    loss_scale: Option<LossScale>,
    /// Consecutive steps with non-finite figures so far.
    not_finite: u32,
    progress: &'a Progress,
}

impl<'a> Watch<'a> {
    pub fn new(loss_scale: Option<LossScale>, progress: &'a Progress) -> Self {
        Self {
            loss_scale,
            not_finite: 0,
            progress,
        }
    }

    /// The loss scale as a checkpoint keeps it.
    pub fn loss_scale(&self) -> Option<LossScale> {
        self.loss_scale
    }

    /// What the next step's loss is multiplied by.
    pub fn loss_factor(&self) -> f64 {
        self.loss_scale.map_or(1.0, |scale| scale.factor)
    }

    /// The same if a step that is not checked yet turns out to have finite figures.
    pub fn expected_factor(&self) -> f64 {
        self.loss_scale.map_or(1.0, |mut scale| {
            scale.fitted();
            scale.factor
        })
    }

    /// Adjusts the loss scale to a step's figures and says if its update is skipped. `rows` are the
    /// step's features.
    ///
    /// # Errors
    /// If the figures are non-finite once too often, or at the smallest loss scale.
    pub fn check_finite(
        &mut self,
        figures: StepFigures,
        step: u64,
        rows: &[usize],
    ) -> Result<(), Error> {
        let StepFigures { loss, grad_norm } = figures;
        if figures.is_finite() {
            self.not_finite = 0;
            if let Some(scale) = &mut self.loss_scale {
                scale.fitted();
            }
            return Ok(());
        }
        self.not_finite += 1;
        match &mut self.loss_scale {
            Some(scale) => {
                if !scale.overflowed() {
                    return Err(Error::Overflow { step });
                }
                self.progress.note(&format!(
                    "step {step}: gradients beyond f16's range, update skipped; loss scale {}",
                    scale.factor
                ));
            }
            None if self.not_finite < NOT_FINITE_STEPS => self.progress.note(&format!(
                "step {step}: loss {loss}, gradient norm {grad_norm}: update skipped"
            )),
            None => {
                return Err(Error::NotFinite {
                    step,
                    loss,
                    grad_norm,
                    feature: rows.first().copied().unwrap_or(0),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Output;

    const LOST: StepFigures = StepFigures {
        loss: f64::NAN,
        grad_norm: 1.0,
    };
    const FINITE: StepFigures = StepFigures {
        loss: 1.0,
        grad_norm: 1.0,
    };

    #[test]
    fn ten_consecutive_steps_without_numbers_end_a_run() {
        let progress = Progress::new(Output::Quiet);
        let mut watch = Watch::new(None, &progress);
        for step in 0..9 {
            watch.check_finite(LOST, step, &[7]).unwrap();
        }
        watch.check_finite(FINITE, 9, &[7]).unwrap();
        for step in 10..19 {
            watch.check_finite(LOST, step, &[7]).unwrap();
        }
        let message = watch.check_finite(LOST, 19, &[7]).unwrap_err().to_string();
        assert!(message.starts_with("step 19: loss NaN"), "{message}");
        assert!(message.contains("near feature 7"), "{message}");
    }

    #[test]
    fn the_expected_factor_is_that_after_a_finite_step() {
        let progress = Progress::new(Output::Quiet);
        assert_eq!(Watch::new(None, &progress).expected_factor(), 1.0);
        let mut watch = Watch::new(Some(LossScale::default()), &progress);
        for step in 0..3_000 {
            let expected = watch.expected_factor();
            watch.check_finite(FINITE, step, &[]).unwrap();
            assert_eq!(watch.loss_factor(), expected);
        }
        assert_eq!(watch.loss_factor(), 8_192.0);
        watch.check_finite(LOST, 3_000, &[]).unwrap();
        assert_eq!(watch.loss_factor(), 4_096.0);
    }

    #[test]
    fn a_scaled_loss_is_halved_until_it_cannot_be_the_scale() {
        let progress = Progress::new(Output::Quiet);
        let mut watch = Watch::new(Some(LossScale::default()), &progress);
        let mut steps = 0;
        while watch.check_finite(LOST, steps, &[]).is_ok() {
            steps += 1;
            assert_eq!(watch.loss_factor(), 1024.0 / f64::from(1 << steps));
        }
        assert_eq!(steps, 10);
    }
}
