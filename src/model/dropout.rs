//! Dropout: in training, zeroes a share of the values and scales the others up to keep the mean.

use burn::{Tensor, tensor::Distribution};

/// Whether a forward pass drops values. Predictions never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Train,
    Predict,
}

/// Keeps each value with probability `1 − rate`, scaled by `1 / (1 − rate)`.
///
/// The mask comes from the device's random stream, which the training step seeds from the run's
/// seed and the step, so that a resumed run draws the same masks.
pub fn dropout<const D: usize>(values: Tensor<D>, rate: f64, mode: Mode) -> Tensor<D> {
    if mode == Mode::Predict || rate == 0.0 {
        return values;
    }
    let keep = 1.0 - rate;
    let mask = Tensor::random(
        values.dims(),
        Distribution::Bernoulli(keep),
        &values.device(),
    );
    values * (mask / keep)
}
