//! Predictions → metrics: the reference's for each task, along with our own.

pub mod confusion;
pub mod correlation;
pub mod score;
