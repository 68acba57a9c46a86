//! What a task adds to the encoder: the interface between the model, which holds heads of any kind,
//! and the tasks, which know what theirs compute.

use std::{collections::BTreeMap, sync::Arc};

use burn::{Tensor, module::Module};
use checkpoints_convert::{DenseKind, DenseShape, HeadShape};
use serde_json::{Map, Value, json};

use super::{
    classification::head::{DROPOUT, SequenceHead, SequenceHeadShape},
    description::Columns,
    error::Error as TaskError,
    label::Label,
    qa::{
        loss::{Targets, feature_losses},
        span_head::{self, SpanHead, SpanHeadConfig},
    },
    tagging::head::WordHead,
};
use crate::{
    config::EncoderConfig,
    model::{
        dense::Dense,
        head_input::HeadInput,
        parameters::{Error, ParameterSource},
    },
};

/// Configuration of a head.
#[derive(Debug, Clone, PartialEq)]
pub enum HeadConfig {
    /// Predicts where an answer starts and ends.
    Span(SpanHeadConfig),
    /// Predicts a logit for each of these classes of a sequence.
    Classes {
        labels: Arc<[String]>,
        /// Number of texts per sequence, 1 or 2, if known.
        texts: Option<u8>,
        /// Columns of the task's tables, if they are not the usual ones.
        columns: Option<Columns>,
        /// Whether a hidden layer with GELU precedes the output layer, as in models of
        /// `transformers`.
        hidden_layer: bool,
    },
    /// Predicts the value of a sequence.
    Value {
        /// The values that 0 and 1 stand for, if known.
        range: Option<[f64; 2]>,
        /// As for classes.
        texts: Option<u8>,
        /// As for classes.
        columns: Option<Columns>,
        /// As for classes.
        hidden_layer: bool,
    },
    /// Predicts a logit for each of these tags of a word.
    Tags {
        tags: Arc<[String]>,
        /// Segment of every token, if not the reference's.
        segment: Option<u8>,
        /// Columns of the task's files, if they are not the usual ones.
        columns: Option<Columns>,
    },
}

impl HeadConfig {
    /// Returns the shape as a record describes it.
    pub fn shape(&self) -> HeadShape {
        let dense = |outputs, kind, labels: Option<&Arc<[String]>>| DenseShape {
            kind: Some(kind),
            labels: labels.map(|labels| labels.to_vec()),
            ..DenseShape::new(outputs)
        };
        match self {
            Self::Span(config) => config.shape(),
            Self::Classes {
                labels,
                texts,
                columns,
                hidden_layer,
            } => HeadShape::Dense(DenseShape {
                texts: *texts,
                columns: columns.clone(),
                hidden_layer: *hidden_layer,
                ..dense(labels.len(), DenseKind::Classification, Some(labels))
            }),
            Self::Value {
                range,
                texts,
                columns,
                hidden_layer,
            } => HeadShape::Dense(DenseShape {
                range: *range,
                texts: *texts,
                columns: columns.clone(),
                hidden_layer: *hidden_layer,
                ..dense(1, DenseKind::Regression, None)
            }),
            Self::Tags {
                tags,
                segment,
                columns,
            } => HeadShape::Dense(DenseShape {
                segment: *segment,
                columns: columns.clone(),
                ..dense(tags.len(), DenseKind::Tagging, Some(tags))
            }),
        }
    }
}

impl HeadConfig {
    /// Returns the name of the kind of task if its labels are not classes, so that they cannot be
    /// smoothed.
    pub fn without_classes(&self) -> Option<&'static str> {
        match self {
            Self::Span(_) => Some("question answering"),
            Self::Value { .. } => Some("regression"),
            Self::Classes { .. } | Self::Tags { .. } => None,
        }
    }

    /// Reconstructs the head of a task whose name does not determine it from its description in a
    /// record.
    ///
    /// # Errors
    /// If the record does not say enough.
    pub fn described(task: &str, stored: Option<&HeadShape>) -> Result<Self, TaskError> {
        let not_described = |missing, example| TaskError::NotDescribed {
            task: task.to_owned(),
            missing,
            example,
        };
        let no_kind = || {
            not_described(
                "what the head gives",
                r#""kind": "classification", or "regression" or "tagging", and its "labels","#,
            )
        };
        let Some(stored) = dense(task, stored)? else {
            return Err(no_kind());
        };
        let labels = |example| {
            let labels = stored.labels.as_deref().map(Arc::from);
            labels.ok_or_else(|| not_described("what its outputs are called", example))
        };
        let columns = stored.columns.clone();
        Ok(match stored.kind {
            None => return Err(no_kind()),
            Some(DenseKind::Classification) => Self::Classes {
                labels: labels(r#""labels": ["NAME", …], one for each output in their order,"#)?,
                texts: stored.texts,
                columns,
                hidden_layer: stored.hidden_layer,
            },
            Some(DenseKind::Regression) => Self::Value {
                range: stored.range,
                texts: stored.texts,
                columns,
                hidden_layer: stored.hidden_layer,
            },
            Some(DenseKind::Tagging) => Self::Tags {
                tags: labels(r#""labels": ["B-NP", …], one for each output in their order,"#)?,
                segment: stored.segment,
                columns,
            },
        })
    }
}

/// Returns the single dense layer of a checkpoint's head for a task, if it has a head for it.
///
/// # Errors
/// If the head is of another kind.
pub fn dense<'a>(
    task: &str,
    stored: Option<&'a HeadShape>,
) -> Result<Option<&'a DenseShape>, TaskError> {
    match stored {
        None => Ok(None),
        Some(HeadShape::Dense(dense)) => Ok(Some(dense)),
        Some(other) => Err(TaskError::OtherHead {
            task: task.to_owned(),
            expected: "one dense layer",
            found: other.to_string(),
        }),
    }
}

/// A task's head, with the task's name.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskHead {
    pub task: String,
    pub config: HeadConfig,
}

impl TaskHead {
    /// Creates the head of a question task.
    pub fn span(task: &str, config: SpanHeadConfig) -> Self {
        Self {
            task: task.to_owned(),
            config: HeadConfig::Span(config),
        }
    }
}

/// Returns the shape of each task's head, by task.
pub fn shapes(heads: &[TaskHead]) -> BTreeMap<String, HeadShape> {
    let shapes = heads.iter();
    shapes
        .map(|head| (head.task.clone(), head.config.shape()))
        .collect()
}

/// Describes the heads of a run's tasks for `config.json`.
pub fn described(heads: &[TaskHead]) -> Map<String, Value> {
    let described = heads.iter().map(|head| {
        let shape = match &head.config {
            HeadConfig::Span(config) => json!(config),
            dense => json!(dense.shape()),
        };
        (head.task.clone(), shape)
    });
    described.collect()
}

/// Width of the heads' hidden layers: the most values that a head holds for one token besides its
/// hidden state.
pub const HIDDEN: usize = span_head::HEAD_HIDDEN;

/// A head. In the record its parameters are named without the kind: `heads.squad.start.weight`.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each task")]
pub enum Head {
    Span(SpanHead),
    Sequence(SequenceHead),
    Word(WordHead),
}

impl Head {
    /// Builds a head on an encoder of this configuration.
    pub fn new(
        source: &mut ParameterSource,
        head: &TaskHead,
        encoder: &EncoderConfig,
    ) -> Result<Self, Error> {
        let (task, hidden) = (head.task.as_str(), encoder.hidden_size);
        let sequence = |source: &mut ParameterSource, outputs, hidden_layer| {
            // A run without dropout has none here either.
            let dropout = match encoder.hidden_dropout_prob {
                0.0 => 0.0,
                _ => DROPOUT,
            };
            let shape = SequenceHeadShape {
                hidden,
                outputs,
                hidden_layer,
            };
            SequenceHead::new(source, task, shape, dropout).map(Self::Sequence)
        };
        match &head.config {
            HeadConfig::Span(config) => {
                SpanHead::new(source, task, hidden, *config).map(Self::Span)
            }
            HeadConfig::Classes {
                labels,
                hidden_layer,
                ..
            } => sequence(source, labels.len(), *hidden_layer),
            HeadConfig::Value { hidden_layer, .. } => sequence(source, 1, *hidden_layer),
            HeadConfig::Tags { tags, .. } => {
                WordHead::new(source, task, [hidden, tags.len()]).map(Self::Word)
            }
        }
    }

    /// Returns the dense layer that keeps an f16 copy of its weight if the layers compute in f16.
    pub fn f16_dense(&mut self) -> Option<&mut Dense> {
        match self {
            Self::Span(head) => head.f16_dense(),
            // Their matmuls are f32.
            Self::Sequence(_) | Self::Word(_) => None,
        }
    }

    /// Recomputes whatever else is derived from the weights in f16, if the layers compute in f16.
    pub fn refresh_f16_parts(&mut self) {
        match self {
            Self::Span(head) => head.refresh_f16_parts(),
            Self::Sequence(_) | Self::Word(_) => {}
        }
    }

    /// Enables label smoothing in the loss of classes and tags.
    pub fn smooth_labels(&mut self, smoothing: f64) {
        match self {
            Self::Span(_) => {}
            Self::Sequence(head) => head.label_smoothing = smoothing,
            Self::Word(head) => head.label_smoothing = smoothing,
        }
    }

    /// Returns the summed loss of the sequences of `input`, `[1]`.
    ///
    /// # Panics
    /// If a label does not match the kind of head.
    pub fn loss(&self, input: &HeadInput, labels: &[Label]) -> Tensor<1> {
        let losses = match self {
            Self::Span(head) => feature_losses(head, input, &Targets::new(labels)),
            Self::Sequence(head) => head.losses(input, labels),
            Self::Word(head) => head.losses(input, labels),
        };
        losses.sum()
    }
}

/// Returns the batch's loss, `[1]`: the sum over all tasks of [`task_losses`].
pub fn batch_loss(
    heads: &[Head],
    input: &HeadInput,
    labels: &[Label],
    tasks: &[usize],
) -> Tensor<1> {
    let losses = task_losses(heads, input, labels, tasks).into_iter();
    let total = losses.reduce(|total, loss| total + loss);
    total.unwrap_or_else(|| Tensor::zeros([1], &input.hidden.device()))
}

/// Returns the batch's loss for each task, `[1]` each: summed over the task's features, by its own
/// head; 0 if it has none. `tasks` gives each feature's index in the task list.
pub fn task_losses(
    heads: &[Head],
    input: &HeadInput,
    labels: &[Label],
    tasks: &[usize],
) -> Vec<Tensor<1>> {
    if let [head] = heads {
        return vec![head.loss(input, labels)];
    }
    let mut losses = Vec::with_capacity(heads.len());
    for (task, head) in heads.iter().enumerate() {
        let of_task: Vec<usize> = (0..tasks.len())
            .filter(|&number| tasks[number] == task)
            .collect();
        if of_task.is_empty() {
            losses.push(Tensor::zeros([1], &input.hidden.device()));
            continue;
        }
        let labels: Vec<Label> = of_task
            .iter()
            .map(|&number| labels[number].clone())
            .collect();
        losses.push(head.loss(&input.part(&of_task), &labels));
    }
    losses
}
