//! Packed batches: where their sequences lie, and the random bits that masks are drawn from.
//!
//! Below the kernels, which read both, and the model, which decides what is masked.

pub mod on_device;
pub mod random;
pub mod sequences;
