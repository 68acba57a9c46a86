//! From logits to a better record: loss, gradients, clipping, optimiser, checkpoints, the loop.

pub mod adam;
pub mod clip;
pub mod gradients;
pub mod loss;
pub mod schedule;
