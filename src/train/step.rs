//! One training step: forward, backward, clip, update.

use burn::{Tensor, tensor::Device};

use super::{
    adam::Adam,
    clip::clip_factor,
    gradients::{Trainable, loss_and_gradients},
    loss::Targets,
};
use crate::{
    data::batch::Batch,
    model::{ModelInput, QuestionAnsweringModel},
};

/// Figures of a step, still on the device so that reading them is the caller's choice.
pub struct StepFigures {
    /// Sum over the batch, `[1]`.
    pub loss: Tensor<1>,
    /// Before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
}

/// What stays the same from step to step.
pub struct StepSettings<'a> {
    /// With autodiff.
    pub device: &'a Device,
    pub tasks: &'a [String],
    pub answerable_weight: f64,
    pub trainable: Trainable,
    /// Seed of the run's dropout masks.
    pub seed: u64,
}

/// Runs step number `step` on `batch` with [`Schedule::update_rate`](super::schedule::Schedule)
/// and returns the updated model.
pub fn train_step(
    model: QuestionAnsweringModel,
    adam: &mut Adam,
    batch: &Batch,
    step: u64,
    learning_rate: f64,
    settings: &StepSettings,
) -> (QuestionAnsweringModel, StepFigures) {
    // The masks of a step depend on the run's seed and the step alone, so that a resumed run
    // draws the same ones.
    settings.device.seed(dropout_seed(settings.seed, step));
    let input = ModelInput::new(batch, settings.device);
    let targets = Targets::new(batch, settings.device);
    let (loss, gradients) = loss_and_gradients(
        &model,
        &input,
        &targets,
        &batch.task,
        settings.answerable_weight,
        settings.trainable,
    );
    let grad_norm = gradients.global_norm(&model);
    let factor = clip_factor(grad_norm.clone());
    let model = adam.update(model, settings.tasks, gradients, factor, learning_rate);
    (model, StepFigures { loss, grad_norm })
}

/// Spreads (seed, step) over 64 bits (the finaliser of SplitMix64), so that neighbouring steps
/// and seeds do not share streams.
fn dropout_seed(seed: u64, step: u64) -> u64 {
    let mut state = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(step.wrapping_mul(0xd1b5_4a32_d192_ed03));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
