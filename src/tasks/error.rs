//! What can go wrong between a task's file and its figures.

use super::qa;
use crate::{data, eval};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Predict(#[from] qa::predict::Error),
    #[error(transparent)]
    Answers(#[from] qa::error::Error),
    #[error(transparent)]
    Files(#[from] eval::Error),
}
