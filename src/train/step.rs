//! One training step: forward, backward, clip, update.

use burn::{Tensor, tensor::Device};

use super::{
    adam::Adam,
    clip::clip_factor,
    gradients::{Gradients, Objective, accumulate},
};
use crate::{
    batch::Batch,
    device::DeviceError,
    model::{
        ModelInput,
        dropout::{Mode, StepSeed},
    },
    tasks::model::Model,
};

/// Figures of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Sum over the batch.
    pub loss: f64,
    /// Before clipping.
    pub grad_norm: f64,
}

impl StepFigures {
    /// Whether the gradients are numbers, so that they may be used.
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.grad_norm.is_finite()
    }
}

/// A batch's gradients, times the loss scale, and its figures.
pub struct StepGradients {
    gradients: Gradients,
    /// Unscaled, `[1]`.
    norm: Tensor<1>,
    seed: StepSeed,
    pub figures: StepFigures,
}

/// What stays the same from step to step.
pub struct StepSettings<'a> {
    /// With autodiff.
    pub device: &'a Device,
    pub tasks: &'a [String],
    pub objective: Objective,
    /// Seed of the run's dropout masks and of its moments' roundings.
    pub seed: u64,
}

/// Computes the gradients of step number `step`.
///
/// `parts` together are the step's batch, in its order. Their gradients are summed: on a GPU one
/// part after the other, on the CPU a share of the parts on each core, which is what keeps the
/// cores busy.
///
/// # Errors
/// When the device fails; the model is as it was.
pub fn step_gradients(
    model: &Model,
    parts: &[Batch],
    step: u64,
    settings: &StepSettings,
) -> Result<StepGradients, DeviceError> {
    let seed = StepSeed::new(settings.seed, step);
    let mode = Mode::Train(seed);
    let mut gradients = Gradients::default();
    let mut loss = Tensor::zeros([1], &settings.device.clone().without_autodiff());
    let mut place = 0;
    for part in parts {
        loss = loss
            + accumulate(
                model,
                &ModelInput::new(part, place, settings.device),
                &part.labels,
                &part.task,
                settings.objective,
                mode,
                &mut gradients,
            );
        place += part.size;
    }
    let norm = gradients.global_norm(model) / settings.objective.loss_scale;
    // Read together, and before the update: each reading waits for the device, and where its
    // memory ran out the weights must not be touched.
    let figures = Tensor::cat(vec![loss, norm.clone()], 0)
        .try_into_vec_as::<f32>()
        .map_err(DeviceError::new)?;
    Ok(StepGradients {
        gradients,
        norm,
        seed,
        figures: StepFigures {
            loss: f64::from(figures[0]),
            grad_norm: f64::from(figures[1]),
        },
    })
}

impl StepGradients {
    /// Clips by the global norm and updates, with the learning rate of
    /// [`Schedule::update_rate`](super::schedule::Schedule::update_rate). Gradients that are not
    /// finite change nothing.
    pub fn update(
        self,
        model: Model,
        adam: &mut Adam,
        learning_rate: f64,
        settings: &StepSettings,
    ) -> Model {
        if !self.figures.is_finite() {
            return model;
        }
        let factor = clip_factor(self.norm) / settings.objective.loss_scale;
        let mut model = adam.update(
            model,
            settings.tasks,
            self.gradients,
            factor,
            learning_rate,
            self.seed,
        );
        model.refresh_f16_weights();
        model
    }
}

/// Runs a whole step and returns the updated model.
///
/// # Errors
/// When the device fails.
pub fn train_step(
    model: Model,
    adam: &mut Adam,
    parts: &[Batch],
    step: u64,
    learning_rate: f64,
    settings: &StepSettings,
) -> Result<(Model, StepFigures), DeviceError> {
    let gradients = step_gradients(&model, parts, step, settings)?;
    let figures = gradients.figures;
    let model = gradients.update(model, adam, learning_rate, settings);
    Ok((model, figures))
}
