//! What can go wrong between a task's file and its metrics.

use super::{asked::Refused, classification, description, predict, prediction_lines, qa, tagging};
use crate::{data, eval};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Predict(#[from] predict::Error),
    #[error(transparent)]
    Answers(#[from] qa::error::Error),
    #[error(transparent)]
    Classification(#[from] classification::error::Error),
    #[error(transparent)]
    Tagging(#[from] tagging::error::Error),
    #[error(transparent)]
    Description(#[from] description::Error),
    #[error(
        "{task}: the checkpoint has another head: expected {expected}, found {found}; give a checkpoint \
         of this task, or correct the task's data"
    )]
    OtherHead {
        task: String,
        expected: &'static str,
        found: String,
    },
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(
        "{task}: config.json beside the model does not say {missing}; add {example} to heads.{task} in it"
    )]
    NotDescribed {
        task: String,
        missing: &'static str,
        example: &'static str,
    },
    #[error("{task}: the model's outputs do not belong to the rows that were requested")]
    OtherOutputs { task: String },
    #[error(transparent)]
    Files(#[from] eval::Error),
    #[error(transparent)]
    Predictions(#[from] prediction_lines::Error),
}
