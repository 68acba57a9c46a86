//! One training step: forward, backward, clip, update.

use burn::{Tensor, module::Module, tensor::Device};

use super::{
    adam::Adam,
    clip::clip_factor,
    gradients::{Gradients, Objective, accumulate},
    loss::Targets,
};
use crate::{
    data::batch::Batch,
    device::{alone_on_a_core, lanes},
    model::{
        ModelInput, QuestionAnsweringModel,
        dropout::{Mode, StepSeed},
    },
};

/// Figures of a step, still on the device so that reading them is the caller's choice.
pub struct StepFigures {
    /// Sum over the batch, `[1]`.
    pub loss: Tensor<1>,
    /// Before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
    /// Whether the gradients fitted f16; where not, nothing was updated.
    pub updated: bool,
}

/// The device did not give a step's figures back.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// What stays the same from step to step.
pub struct StepSettings<'a> {
    /// With autodiff.
    pub device: &'a Device,
    pub tasks: &'a [String],
    pub objective: Objective,
    /// Seed of the run's dropout masks.
    pub seed: u64,
    /// Whether the loss is scaled, and a step whose gradients do not fit f16 skipped.
    pub scaled_loss: bool,
}

/// Runs step number `step` with the learning rate of
/// [`Schedule::update_rate`](super::schedule::Schedule::update_rate) and returns the updated
/// model.
///
/// `parts` together are the step's batch, in its order. Their gradients are summed: on a GPU one
/// part after the other, on the CPU a share of the parts on each core, which is what keeps the
/// cores busy.
pub fn train_step(
    model: QuestionAnsweringModel,
    adam: &mut Adam,
    parts: &[Batch],
    step: u64,
    learning_rate: f64,
    settings: &StepSettings,
) -> Result<(QuestionAnsweringModel, StepFigures), ReadError> {
    let mut model = model;
    model.electra.halve();
    let model = model;
    let mode = Mode::Train(StepSeed::new(settings.seed, step));
    let mut place = 0;
    let placed: Vec<(usize, &Batch)> = parts
        .iter()
        .map(|part| {
            let first = place;
            place += part.size;
            (first, part)
        })
        .collect();
    let sum = |model: &QuestionAnsweringModel, share: &[(usize, &Batch)]| {
        let mut gradients = Gradients::default();
        let mut loss = Tensor::zeros([1], &settings.device.clone().without_autodiff());
        for &(first, batch) in share {
            loss = loss
                + accumulate(
                    model,
                    &ModelInput::new(batch, first, settings.device),
                    &Targets::new(batch, settings.device),
                    &batch.task,
                    settings.objective,
                    mode,
                    &mut gradients,
                );
        }
        (loss, gradients)
    };
    let share = placed.len().div_ceil(lanes(settings.device)).max(1);
    let shares: Vec<&[(usize, &Batch)]> = placed.chunks(share).collect();
    let mut computed = match shares[..] {
        [share] => vec![sum(&model, share)],
        _ => alone_on_a_core(&shares, |_, share| {
            // Leaves of its own, or the shares' graphs would be one and wait for each other; the
            // values are shared.
            sum(&model.valid().train(), share)
        }),
    }
    .into_iter();
    let (mut loss, mut gradients) = computed.next().unwrap_or_else(|| sum(&model, &[]));
    for (share_loss, share_gradients) in computed {
        loss = loss + share_loss;
        gradients = gradients.plus(share_gradients, &model);
    }
    let scale = settings.objective.loss_scale;
    let grad_norm = gradients.global_norm(&model) / scale;
    let updated = !settings.scaled_loss || read(&grad_norm)?.is_finite();
    let figures = StepFigures {
        loss,
        grad_norm: grad_norm.clone(),
        updated,
    };
    if !updated {
        return Ok((model, figures));
    }
    let factor = clip_factor(grad_norm) / scale;
    let model = adam.update(model, settings.tasks, gradients, factor, learning_rate);
    Ok((model, figures))
}

/// Waits for a figure, `[1]`.
pub fn read(figure: &Tensor<1>) -> Result<f64, ReadError> {
    figure
        .clone()
        .try_into_scalar::<f32>()
        .map(f64::from)
        .map_err(|e| ReadError(format!("{e:?}")))
}
