//! From raw files to batches: readers → examples → windows → features → batches.

pub mod batch;
pub mod example;
pub mod feature;
pub mod mrqa;
pub mod squad;
