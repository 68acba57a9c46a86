//! One step of pre-training: all parts' gradients, clipped together, and the update.

use burn::Tensor;

use super::{
    figures::Losses,
    networks::Networks,
    objective::{Chance, Objective},
    part::Part,
    seen::{Counts, Seen},
};
use crate::{
    device::DeviceError,
    kernels::clip::{Clip, clip},
    model::dropout::StepSeed,
    train::{adam::Adam, gradients::Gradients, step::StepFigures},
};

/// The norm above which gradients are scaled down.
const CLIP_NORM: f64 = 1.0;

/// A batch's gradients, times the loss scale, and what was seen of it.
pub struct StepGradients {
    pub gradients: Gradients,
    /// What every gradient is multiplied by, `[1]`.
    factor: Tensor<1>,
    seed: StepSeed,
    pub losses: Losses,
    /// The total loss, and the norm before clipping.
    pub figures: StepFigures,
    pub seen: Vec<Seen>,
}

/// Computes the gradients of a step, whose batch the parts make together.
///
/// # Errors
/// If the device fails; the networks are as they were.
pub fn step_gradients(
    networks: &Networks,
    parts: &[Part],
    objective: &Objective,
    chance: Chance,
) -> Result<StepGradients, DeviceError> {
    let counts = Counts::of(parts);
    let whole = networks.output_table().map(|table| table.id);
    let mut gradients = Gradients::with_whole_tables(whole.into_iter().collect());
    let mut seen = Vec::new();
    for part in parts {
        seen.extend(objective.run(networks, part, counts, chance, Some(&mut gradients))?);
    }
    let losses = Losses::of(&seen, objective.config);
    let squares = gradients.square_sum(networks);
    let nothing = Tensor::zeros([1], &objective.device.clone().without_autodiff());
    let to = Clip {
        norm: CLIP_NORM,
        loss_scale: objective.loss_scale,
    };
    let clipped = clip(nothing, squares, to);
    // Read before the update: if the device's memory ran out, the weights must not be touched.
    let figures = clipped
        .figures
        .try_into_vec_as::<f32>()
        .map_err(DeviceError::new)?;
    Ok(StepGradients {
        gradients,
        factor: clipped.factor,
        seed: StepSeed::new(chance.seed, chance.step),
        losses,
        figures: StepFigures {
            loss: losses.total,
            grad_norm: figures.get(1).copied().map_or(f64::NAN, f64::from),
        },
        seen,
    })
}

impl StepGradients {
    /// Clips by the global norm and updates. Gradients that are not finite change nothing.
    pub fn update(self, networks: Networks, adam: &mut Adam, learning_rate: f64) -> Networks {
        if !self.figures.is_finite() {
            return networks;
        }
        adam.update(
            networks,
            &[],
            self.gradients,
            self.factor,
            learning_rate,
            self.seed,
        )
    }
}
