//! The loss and other measurements of one training step, for logs, terminals and TensorBoard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ranks::Cost;

/// The log of a run's steps, one per line.
pub const FILE: &str = "train_log.jsonl";

/// The measurements of one training step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 0.
    pub step: u64,
    /// Sum over the batch; `null` if it is not finite.
    #[serde(deserialize_with = "null_as_infinite")]
    pub loss: f64,
    /// Its terms, if several tasks are learnt; `null` if one is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_losses: Option<BTreeMap<String, Option<f64>>>,
    /// Over all gradients, before clipping; `null` if it is not finite, for example beyond the
    /// range of f16. Such a step updates nothing.
    #[serde(deserialize_with = "null_as_infinite")]
    pub grad_norm: f64,
    /// Before the layer factor.
    pub learning_rate: f64,
    /// Real features in the batch.
    pub features: usize,
    /// Real tokens in the batch.
    pub tokens: usize,
    /// Wall time of the step.
    pub seconds: f64,
    /// Peak memory of the run so far: the device's on a GPU, the process's on the CPU; absent if
    /// unknown.
    pub peak_bytes: Option<u64>,
    /// What it has cost rank 0 to sum the gradients of several ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Cost>,
}

/// JSON has neither infinity nor NaN; they are written as `null`.
fn null_as_infinite<'de, D: serde::Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(value)?.unwrap_or(f64::INFINITY))
}
