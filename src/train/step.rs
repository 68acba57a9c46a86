//! One training step: forward, backward, clip, update.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/optimization.py#L60-L67>

use burn::{Tensor, optim::GradientsParams, tensor::Device};

use super::{
    adam::Adam,
    encoder_pass::{EncoderPass, gradient, leaf},
    gradients::Gradients,
    objective::{Objective, Trainable},
    outgoing::Outgoing,
    shared_step::Share,
    update::Update,
};
use crate::{
    batch::Batch,
    device::{Coming, DeviceError},
    model::{
        HeadInput, ModelInput,
        dropout::{Mode, StepSeed},
    },
    ranks::Ranks,
    tasks::{head::task_losses, label::Label, model::Model},
};

/// The loss and gradient norm of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Summed over the batch.
    pub loss: f64,
    /// Before clipping.
    pub grad_norm: f64,
}

impl StepFigures {
    /// Returns whether the gradients are finite and may be used.
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.grad_norm.is_finite()
    }
}

/// A batch's gradients, multiplied by the loss scale, with the loss and norm.
pub struct StepGradients {
    update: Update,
    pub figures: StepFigures,
    /// The terms of the loss, `[tasks]`.
    pub task_losses: Vec<f64>,
}

/// The same with figures that are on their way from the device.
pub struct BegunStep {
    update: Update,
    figures: ComingFigures,
}

/// Figures on their way from the device.
pub struct ComingFigures(Coming);

impl ComingFigures {
    /// Waits for them, and for the terms of the loss, `[tasks]`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn wait(self) -> Result<(StepFigures, Vec<f64>), DeviceError> {
        let mut values: Vec<f64> = self.0.wait()?.into_iter().map(f64::from).collect();
        let grad_norm = values.pop().unwrap_or(f64::NAN);
        let figures = StepFigures {
            loss: values.iter().sum(),
            grad_norm,
        };
        Ok((figures, values))
    }
}

/// The settings that all steps share.
pub struct StepSettings<'a> {
    /// With autodiff.
    pub device: &'a Device,
    pub tasks: &'a [String],
    pub objective: Objective,
    /// Seed of the run's dropout masks and of the stochastic rounding of its moments.
    pub seed: u64,
}

/// Computes the gradients of step number `step`.
///
/// `parts` together are the step's batch, in order. They are computed one at a time and their
/// gradients accumulated.
///
/// # Errors
/// If the device fails; the model is then unchanged.
pub fn step_gradients(
    model: &Model,
    parts: &[Batch],
    step: u64,
    settings: &StepSettings,
) -> Result<StepGradients, DeviceError> {
    begin_step(model, parts, step, settings)?.read()
}

/// The same, without waiting for the figures.
///
/// # Errors
/// If the device is known to fail, most often for lack of memory; the model is then unchanged.
pub fn begin_step(
    model: &Model,
    parts: &[Batch],
    step: u64,
    settings: &StepSettings,
) -> Result<BegunStep, DeviceError> {
    let (gradients, losses) = sums(model, parts, 0, step, settings, &mut None);
    clipped(model, gradients, losses, step, settings)
}

/// Computes a rank's share of the gradients of step number `step`, and gives it to the sums of all ranks.
///
/// `parts` together are the rank's rows, in order, the first at `first_place` of the step's batch.
///
/// # Errors
/// If the device fails; the rank may compute its share again. The model is unchanged.
pub fn step_share(
    model: &Model,
    parts: &[Batch],
    first_place: usize,
    step: u64,
    settings: &StepSettings,
    mut outgoing: Outgoing,
) -> Result<Share, (Outgoing, DeviceError)> {
    outgoing.begin();
    let mut outgoing = Some(outgoing);
    let (mut gradients, losses) = sums(model, parts, first_place, step, settings, &mut outgoing);
    if settings.objective.trainable == Trainable::All {
        gradients.ensure_word_table(&model.electra.embeddings.word.weight);
    }
    let outgoing = gradients.outgoing.take().or(outgoing);
    let outgoing = outgoing.expect("the sums leave it in one of the two");
    Share::give(outgoing, gradients, Some(losses))
}

/// Sums the shares of all ranks to the gradients of the step.
///
/// # Errors
/// If the device fails; the model is then unchanged.
pub fn sum_shares(
    model: &Model,
    share: Share,
    ranks: &Ranks,
    step: u64,
    settings: &StepSettings,
) -> Result<StepGradients, DeviceError> {
    let device = settings.device.clone().without_autodiff();
    let (gradients, losses) = share.sum(ranks, &device);
    let losses = Tensor::from_floats(losses.as_slice(), &device);
    clipped(model, gradients, losses, step, settings)?.read()
}

/// Sums the gradients of `parts`, and their losses per task, `[tasks]`. Those of the last part go to
/// `outgoing`.
fn sums(
    model: &Model,
    parts: &[Batch],
    first_place: usize,
    step: u64,
    settings: &StepSettings,
    outgoing: &mut Option<Outgoing>,
) -> (Gradients, Tensor<1>) {
    let mode = Mode::Train(StepSeed::new(settings.seed, step));
    let mut gradients = Gradients::default();
    let mut sum: Option<Tensor<1>> = None;
    let mut place = first_place;
    for (number, part) in parts.iter().enumerate() {
        if number + 1 == parts.len() {
            gradients.outgoing = outgoing.take();
        }
        let losses = accumulate(
            model,
            &ModelInput::new(part, place, settings.device),
            &part.labels,
            &part.task,
            settings.objective,
            mode,
            &mut gradients,
        );
        sum = Some(match sum {
            Some(sum) => sum + losses,
            None => losses,
        });
        place += part.size;
    }
    let device = || settings.device.clone().without_autodiff();
    let none = || Tensor::zeros([model.heads.len()], &device());
    (gradients, sum.unwrap_or_else(none))
}

/// Clips the gradients of a whole batch, whose losses are `losses` `[tasks]`, and asks for their figures.
fn clipped(
    model: &Model,
    gradients: Gradients,
    losses: Tensor<1>,
    step: u64,
    settings: &StepSettings,
) -> Result<BegunStep, DeviceError> {
    let scale = settings.objective.loss_scale;
    let seed = StepSeed::new(settings.seed, step);
    let (update, figures) = Update::clip(model, gradients, losses, scale, seed)?;
    let figures = ComingFigures(figures);
    Ok(BegunStep { update, figures })
}

/// Adds one part's gradients, multiplied by the loss scale, to `gradients`. Returns its loss summed
/// per task, `[tasks]`, unscaled and without autodiff. `tasks` gives the task index of each
/// feature.
pub fn accumulate(
    model: &Model,
    input: &ModelInput,
    labels: &[Label],
    tasks: &[usize],
    objective: Objective,
    mode: Mode,
    gradients: &mut Gradients,
) -> Tensor<1> {
    let (encoder, hidden) = EncoderPass::forward(&model.electra, input, objective, mode);
    // The heads have a graph of their own, which ends at the last hidden states.
    let hidden = leaf(hidden);
    let head_input = HeadInput::new(hidden.clone(), input).in_mode(mode);
    let losses = task_losses(&model.heads, &head_input, labels, tasks);
    let total = losses.iter().cloned().reduce(|total, loss| total + loss);
    let total = total.expect("a model has a head");
    let mut grads = objective.scaled(total).backward();
    let upstream = gradient(&hidden, &mut grads);
    let heads = GradientsParams::from_module(&mut grads, &model.heads);
    gradients.parameters.add_all(&model.heads, heads);
    encoder.backward(upstream, gradients);
    let mut losses: Vec<_> = losses.into_iter().map(Tensor::inner).collect();
    match losses.len() {
        1 => losses.remove(0),
        _ => Tensor::cat(losses, 0),
    }
}

impl StepGradients {
    /// Clips by the global norm and updates, as [`Update::make`].
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
        self.update.make(model, adam, settings.tasks, learning_rate)
    }
}

impl BegunStep {
    /// Waits for the figures.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(self) -> Result<StepGradients, DeviceError> {
        let (figures, task_losses) = self.figures.wait()?;
        Ok(StepGradients {
            update: self.update,
            figures,
            task_losses,
        })
    }

    /// As [`StepGradients::update`], without waiting for the figures: the device looks at them, and
    /// gradients that are not finite change nothing.
    pub fn update(
        self,
        model: Model,
        adam: &mut Adam,
        learning_rate: f64,
        settings: &StepSettings,
    ) -> (Model, ComingFigures) {
        let model = self.update.make(model, adam, settings.tasks, learning_rate);
        (model, self.figures)
    }
}

/// Runs a whole step and returns the updated model.
///
/// # Errors
/// If the device fails.
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
