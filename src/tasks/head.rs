//! What a task adds to the encoder: the seam between the model, which holds heads of any kind, and
//! the tasks, which know what theirs compute.

use std::collections::BTreeMap;

use burn::{Tensor, module::Module};
use checkpoints_convert::HeadShape;
use serde_json::{Map, Value, json};

use super::{
    label::Label,
    qa::{
        loss::{Targets, feature_losses},
        span_head::{self, HeadConfig, SpanHead},
    },
};
use crate::{
    config::Config,
    model::{
        head_input::HeadInput,
        parameters::{Error, ParameterSource},
    },
};

/// The shape of each task's head, by task.
pub fn shapes(config: &Config) -> BTreeMap<String, HeadShape> {
    let tasks = config.task_names.iter().cloned();
    tasks
        .map(|task| (task, HeadConfig::of(config).shape()))
        .collect()
}

/// The heads of a configuration's tasks, as `config.json` names them.
pub fn described(config: &Config) -> Map<String, Value> {
    let tasks = config.task_names.iter();
    tasks
        .map(|task| (task.clone(), json!(HeadConfig::of(config))))
        .collect()
}

/// Width of the heads' hidden layers: what one token holds in a head beside its hidden state.
pub const HIDDEN: usize = span_head::HEAD_HIDDEN;

/// A head. The record names its parameters without the kind: `heads.squad.start.weight`.
#[derive(Module, Debug)]
pub enum Head {
    Span(SpanHead),
}

impl Head {
    pub fn new(
        source: &mut ParameterSource,
        task: &str,
        hidden: usize,
        config: HeadConfig,
    ) -> Result<Self, Error> {
        SpanHead::new(source, task, hidden, config).map(Self::Span)
    }

    /// Makes the f16 copies of the weights as they are now, if the layers compute in f16.
    pub fn refresh_f16_weights(&mut self) {
        match self {
            Self::Span(head) => head.refresh_f16_weights(),
        }
    }

    /// Loss of each sequence of `input`, `[batch]`.
    ///
    /// # Panics
    /// If a label is of another kind than the head.
    pub fn losses(&self, input: &HeadInput, labels: &[Label]) -> Tensor<1> {
        match self {
            Self::Span(head) => feature_losses(head, input, &Targets::new(labels)),
        }
    }
}

/// The batch's loss, `[1]`: each feature's, by its own task's head, summed. `tasks` gives each
/// feature's place in the task list.
pub fn batch_loss(
    heads: &[Head],
    input: &HeadInput,
    labels: &[Label],
    tasks: &[usize],
) -> Tensor<1> {
    if let [head] = heads {
        return head.losses(input, labels).sum();
    }
    let mut total = Tensor::zeros([1], &input.hidden.device());
    for (task, head) in heads.iter().enumerate() {
        let of_task: Vec<usize> = (0..tasks.len())
            .filter(|&number| tasks[number] == task)
            .collect();
        if of_task.is_empty() {
            continue;
        }
        let labels: Vec<Label> = of_task.iter().map(|&number| labels[number]).collect();
        total = total + head.losses(&input.part(&of_task), &labels).sum();
    }
    total
}
