//! The parts of a batch that are computed one at a time.

use super::error::Error;
use crate::pretrain::part::{Masked, Part};

/// Refuses a batch with special tokens only: the reference's losses are NaN then, and nothing would be learnt
/// here.
pub(in crate::pretrain) fn check_maskable(batch: &[Masked], step: u64) -> Result<(), Error> {
    match batch.iter().all(|masked| masked.slots.is_empty()) {
        false => Ok(()),
        true => Err(Error::NothingToMask {
            step,
            examples: batch.len(),
        }),
    }
}

/// Examples in parts of so many, the first at `first_place` of the step's batch.
pub(in crate::pretrain) fn parts(batch: &[Masked], first_place: usize, size: usize) -> Vec<Part> {
    let parts = batch.chunks(size.max(1)).enumerate();
    parts
        .map(|(number, examples)| Part {
            examples: examples.to_vec(),
            first_place: first_place + number * size.max(1),
        })
        .collect()
}
