//! One training step: forward, backward, clip, update.

use burn::{Tensor, module::Module, tensor::Device};

use super::{
    adam::Adam,
    clip::clip_factor,
    gradients::{Gradients, Trainable, loss_and_gradients},
    loss::Targets,
};
use crate::{
    data::batch::Batch,
    device::alone_on_a_core,
    model::{ModelInput, QuestionAnsweringModel, dropout},
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

/// Runs step number `step` with the learning rate of
/// [`Schedule::update_rate`](super::schedule::Schedule::update_rate) and returns the updated
/// model.
///
/// `parts` together are the step's batch; each is computed on a core of its own, which is what
/// keeps the CPU busy, and their gradients are summed.
pub fn train_step(
    model: QuestionAnsweringModel,
    adam: &mut Adam,
    parts: &[Batch],
    step: u64,
    learning_rate: f64,
    settings: &StepSettings,
) -> (QuestionAnsweringModel, StepFigures) {
    let compute = |model: &QuestionAnsweringModel, (part, batch): (usize, &Batch)| {
        // Masks depend on the run's seed, the step and the part alone, so that a resumed run
        // draws the same ones.
        let seed = mask_seed(settings.seed, step, part as u64);
        dropout::seed(settings.device, seed);
        loss_and_gradients(
            model,
            &ModelInput::new(batch, settings.device),
            &Targets::new(batch, settings.device),
            &batch.task,
            settings.answerable_weight,
            settings.trainable,
        )
    };
    let mut computed: Vec<(Tensor<1>, Gradients)> = match parts {
        [batch] => vec![compute(&model, (0, batch))],
        _ => alone_on_a_core(parts, |part, batch| {
            // Leaves of its own, or the parts' graphs would be one and wait for each other; the
            // values are shared.
            compute(&model.valid().train(), (part, batch))
        }),
    };
    let (mut loss, mut gradients) = computed.remove(0);
    for (part_loss, part_gradients) in computed {
        loss = loss + part_loss;
        gradients = gradients.plus(part_gradients, &model);
    }
    let grad_norm = gradients.global_norm(&model);
    let factor = clip_factor(grad_norm.clone());
    let model = adam.update(model, settings.tasks, gradients, factor, learning_rate);
    (model, StepFigures { loss, grad_norm })
}

/// Spreads (seed, step, part) over 64 bits (the finaliser of SplitMix64), so that neighbours do
/// not share streams.
fn mask_seed(seed: u64, step: u64, part: u64) -> u64 {
    let mut state = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(step.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(part.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
