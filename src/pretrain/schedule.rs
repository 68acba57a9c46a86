//! The learning rate of pre-training: it decays from the first step on, during warm-up too.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/optimization.py#L36-L49>

use crate::config::PretrainConfig;

/// The learning rate over the steps of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    base: f64,
    steps: u64,
    warmup: u64,
    power: f64,
}

impl Schedule {
    pub fn of(config: &PretrainConfig) -> Self {
        Self {
            base: config.learning_rate,
            steps: config.num_train_steps,
            warmup: config.num_warmup_steps,
            power: config.lr_decay_power,
        }
    }

    /// The rate at `step`, from 0: `base · (1 − step / steps)^power · min(1, step / warmup)`, and 0 from the
    /// last step on. In f32 with the reference's operations, including products with 1/steps and 1/warmup, so
    /// that it is equal to the last bit. With a warm-up of 0, by which the reference divides, there is no
    /// warm-up here.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let (at, steps) = (step.min(self.steps) as f32, self.steps as f32);
        let decayed = self.base as f32 * (1.0 - at * (1.0 / steps)).powf(self.power as f32);
        f64::from(match self.warmup {
            0 => decayed,
            warmup => decayed * (step as f32 * (1.0 / warmup as f32)).min(1.0),
        })
    }

    /// The rate of the update at `step`: that of `step + 1`, as in fine-tuning.
    pub fn update_rate(&self, step: u64) -> f64 {
        self.learning_rate(step + 1)
    }
}
