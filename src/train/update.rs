//! The update of a step: its gradients, clipped by their global norm, and what Adam needs besides.

use burn::{Tensor, module::Module};

use super::{adam::Adam, gradients::Gradients};
use crate::{
    device::{Coming, DeviceError},
    kernels::clip::{Clip, clip},
    model::{HalfWeights, dropout::StepSeed},
};

/// The norm above which gradients are scaled down.
const CLIP_NORM: f64 = 1.0;

/// What a step does to the weights.
pub struct Update {
    pub gradients: Gradients,
    /// The factor by which every gradient is multiplied, `[1]`.
    factor: Tensor<1>,
    seed: StepSeed,
}

impl Update {
    /// Clips the gradients of a whole batch, which are multiplied by `loss_scale`, and asks for the figures
    /// `[losses + 1]`: its unscaled `losses`, and the norm before clipping. They are asked for before the
    /// update: if the device's memory ran out, the weights must not be touched.
    ///
    /// # Errors
    /// If the device is known to fail, most often for lack of memory.
    pub fn clip(
        model: &impl Module,
        mut gradients: Gradients,
        losses: Tensor<1>,
        loss_scale: f64,
        seed: StepSeed,
    ) -> Result<(Self, Coming), DeviceError> {
        let squares = gradients.square_sum(model);
        let to = Clip {
            norm: CLIP_NORM,
            loss_scale,
        };
        let clipped = clip(losses, squares, to);
        let figures = Coming::ask(clipped.figures)?;
        let update = Self {
            gradients,
            factor: clipped.factor,
            seed,
        };
        Ok((update, figures))
    }

    /// Updates the model with a learning rate of
    /// [`Schedule::update_rate`](super::schedule::Schedule::update_rate). Gradients that are not finite change
    /// nothing.
    pub fn make<M: HalfWeights>(
        self,
        model: M,
        adam: &mut Adam,
        tasks: &[String],
        learning_rate: f64,
    ) -> M {
        adam.update(
            model,
            tasks,
            self.gradients,
            self.factor,
            learning_rate,
            self.seed,
        )
    }
}
