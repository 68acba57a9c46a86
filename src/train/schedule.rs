//! Learning rates: linear warm-up and a decay over all steps, linear in the reference, with a
//! factor for each layer.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/optimization.py#L36-L49>
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/optimization.py#L181-L193>

use std::f64::consts::PI;

use crate::config::{LrDecayVariant, LrSchedule};

/// The learning rate over the steps of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    pub base: f64,
    pub steps: u64,
    pub warmup_proportion: f64,
    pub decay: LrSchedule,
}

impl Schedule {
    /// Returns the rate at `step`, from 0:
    /// `base · decay(step/steps) · min(1, step / (steps · warmup))`, where decay(t) is 1 − t, as
    /// the reference reports it, or (1 + cos πt) / 2, or 1. The decay covers the whole run,
    /// including the warm-up.
    ///
    /// Computed in f32 with the reference's operations, including a product with 1/steps, so that
    /// it is bitwise equal.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let (step, steps) = (step as f32, self.steps as f32);
        let decay = match self.decay {
            LrSchedule::Linear => (1.0 - step * (1.0 / steps)).max(0.0),
            LrSchedule::Cosine => {
                let part = (f64::from(step) / f64::from(steps)).min(1.0);
                (0.5 + 0.5 * (PI * part).cos()) as f32
            }
            LrSchedule::Constant => 1.0,
        };
        let decayed = self.base as f32 * decay;
        let warmup = (f64::from(steps) * self.warmup_proportion) as f32;
        f64::from(if warmup > 0.0 {
            decayed * (step / warmup).min(1.0)
        } else {
            decayed
        })
    }

    /// Returns the rate that the update of `step` applies: that of `step + 1`.
    ///
    /// In the reference the update and the increment of the step counter run concurrently, and its
    /// trajectories (which only then match to 1e-6 over whole runs) show that the update reads the
    /// counter after the increment. So the first update already changes the weights, and the last
    /// one has rate 0 if the rate decays to 0.
    pub fn update_rate(&self, step: u64) -> f64 {
        self.learning_rate(step + 1)
    }
}

/// The learning-rate factor for each parameter, by its depth in the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerDecay {
    /// If at or below 0, all parameters have the same rate.
    pub decay: f64,
    pub layers: usize,
    pub variant: LrDecayVariant,
}

impl LayerDecay {
    /// Returns the factor of the parameter with this record name.
    pub fn factor(&self, name: &str) -> f64 {
        if self.decay <= 0.0 {
            return 1.0;
        }
        let below_head = match depth(name) {
            None => 0,
            Some(depth) => {
                self.layers - depth
                    + match self.variant {
                        // The off-by-one error behind the published scores.
                        LrDecayVariant::Released => 2,
                        LrDecayVariant::Paper => 1,
                    }
            }
        };
        self.decay.powi(below_head as i32)
    }
}

/// Returns 0 for embeddings and their projection, `i + 1` for layer `i`, `None` for a head.
fn depth(name: &str) -> Option<usize> {
    let encoder = name.strip_prefix("electra.")?;
    let layer = encoder
        .strip_prefix("layers.")
        .and_then(|rest| rest.split('.').next())
        .and_then(|number| number.parse::<usize>().ok());
    Some(layer.map_or(0, |number| number + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_warms_up_from_zero_and_decays_to_zero() {
        let schedule = Schedule {
            base: 2.0,
            steps: 100,
            warmup_proportion: 0.1,
            decay: LrSchedule::Linear,
        };
        assert_eq!(schedule.learning_rate(0), 0.0);
        assert!((schedule.learning_rate(5) - 2.0 * 0.95 * 0.5).abs() < 1e-6);
        assert!((schedule.learning_rate(10) - 2.0 * 0.9).abs() < 1e-6);
        assert_eq!(schedule.learning_rate(100), 0.0);
        assert_eq!(schedule.update_rate(4), schedule.learning_rate(5));
        assert_eq!(schedule.update_rate(99), 0.0);
    }

    #[test]
    fn without_warmup_the_first_step_has_the_full_rate() {
        let schedule = Schedule {
            base: 2.0,
            steps: 100,
            warmup_proportion: 0.0,
            decay: LrSchedule::Linear,
        };
        assert_eq!(schedule.learning_rate(0), 2.0);
    }

    #[test]
    fn every_decay_follows_its_formula_and_warms_up_alike() {
        for (decay, falls) in [
            (LrSchedule::Linear, (|t| 1.0 - t) as fn(f64) -> f64),
            (LrSchedule::Cosine, |t| (1.0 + (PI * t).cos()) / 2.0),
            (LrSchedule::Constant, |_| 1.0),
        ] {
            for warmup_proportion in [0.0, 0.25] {
                let schedule = Schedule {
                    base: 3e-4,
                    steps: 40,
                    warmup_proportion,
                    decay,
                };
                for step in 0..=40 {
                    let warm = match warmup_proportion {
                        0.0 => 1.0,
                        _ => (step as f64 / 10.0).min(1.0),
                    };
                    let expected = 3e-4 * falls(step as f64 / 40.0) * warm;
                    let found = schedule.learning_rate(step);
                    // Each of four roundings to the 24 bits of an f32 adds up to 6e-8.
                    let difference = (found - expected).abs();
                    assert!(
                        difference < 3e-4 * 4e-7,
                        "{decay} {step}: {found}, {expected}"
                    );
                }
            }
        }
        let last = |decay| {
            let schedule = Schedule {
                base: 3e-4,
                steps: 40,
                warmup_proportion: 0.25,
                decay,
            };
            schedule.update_rate(39)
        };
        assert_eq!(last(LrSchedule::Cosine), 0.0);
        assert_eq!(last(LrSchedule::Constant), f64::from(3e-4_f32));
    }

    #[test]
    fn the_released_decay_squares_the_top_layer_and_the_papers_does_not() {
        let released = LayerDecay {
            decay: 0.9,
            layers: 24,
            variant: LrDecayVariant::Released,
        };
        let paper = LayerDecay {
            variant: LrDecayVariant::Paper,
            ..released
        };
        let powers = |decay: LayerDecay| {
            [
                "heads.squad.start.weight",
                "electra.layers.23.attention.query.weight",
                "electra.layers.0.attention.query.weight",
                "electra.embeddings.word.weight",
                "electra.embeddings.project.bias",
            ]
            .map(|name| (decay.factor(name).ln() / 0.9_f64.ln()).round() as i32)
        };
        assert_eq!(powers(released), [0, 2, 25, 26, 26]);
        assert_eq!(powers(paper), [0, 1, 24, 25, 25]);
    }

    #[test]
    fn no_decay_gives_every_parameter_the_full_rate() {
        let none = LayerDecay {
            decay: 0.0,
            layers: 4,
            variant: LrDecayVariant::Released,
        };
        assert_eq!(none.factor("electra.embeddings.word.weight"), 1.0);
    }
}
