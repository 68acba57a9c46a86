//! Predictions → figures: the reference's for each task, and beside them ours.

pub mod confusion;
pub mod correlation;
pub mod score;
