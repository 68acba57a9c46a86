//! The figures of one training step, as logs, terminals and TensorBoard show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The log of a run's steps, a line each.
pub const FILE: &str = "train_log.jsonl";

/// What one training step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 0.
    pub step: u64,
    /// Sum over the batch; `null` where it is not a number.
    #[serde(deserialize_with = "null_as_infinite")]
    pub loss: f64,
    /// Of which it is made, if several tasks are learnt; `null` where one is not a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_losses: Option<BTreeMap<String, Option<f64>>>,
    /// Over all gradients, before clipping; `null` where it is not a number, as beyond the range of
    /// f16. Such a step updates nothing.
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
    /// The most memory that the run has held so far: the device's on a GPU, the process's on the
    /// CPU; absent where it cannot be told.
    pub peak_bytes: Option<u64>,
}

/// JSON has neither infinity nor "not a number": they are written as `null`.
fn null_as_infinite<'de, D: serde::Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(value)?.unwrap_or(f64::INFINITY))
}
