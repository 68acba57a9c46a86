//! Packed batches: the position of their sequences, and the random bits that masks are drawn from.
//!
//! This is below the kernels, which read both, and below the model, which decides what is masked.

pub mod on_device;
pub mod random;
pub mod sequences;
