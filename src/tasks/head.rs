//! What a task adds to the encoder: the seam between the model, which holds heads of any kind, and
//! the tasks, which know what theirs compute.

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

/// What a head is made by.
#[derive(Debug, Clone, PartialEq)]
pub enum HeadConfig {
    /// Where an answer starts and ends.
    Span(SpanHeadConfig),
    /// A logit for each of these classes of a sequence.
    Classes {
        labels: Arc<[String]>,
        /// How many texts a sequence is made of, 1 or 2, if anything tells it.
        texts: Option<u8>,
        /// Those of the task's tables, if they are not the usual ones.
        columns: Option<Columns>,
        /// Whether a layer with GELU comes first, as in models of `transformers`.
        hidden_layer: bool,
    },
    /// The value of a sequence.
    Value {
        /// The numbers that 0 and 1 stand for, if anything tells them.
        range: Option<[f64; 2]>,
        /// As of classes.
        texts: Option<u8>,
        /// As of classes.
        columns: Option<Columns>,
        /// As of classes.
        hidden_layer: bool,
    },
    /// A logit for each of these tags of a word.
    Tags {
        tags: Arc<[String]>,
        /// That of every token, if it is not the reference's.
        segment: Option<u8>,
        /// Those of the task's files, if they are not the usual ones.
        columns: Option<Columns>,
    },
}

impl HeadConfig {
    /// The same as a record describes it.
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
    /// What the task is called if its labels are no classes, which could be smoothed.
    pub fn without_classes(&self) -> Option<&'static str> {
        match self {
            Self::Span(_) => Some("question answering"),
            Self::Value { .. } => Some("regression"),
            Self::Classes { .. } | Self::Tags { .. } => None,
        }
    }

    /// What a record says of the head of a task that its name does not tell.
    ///
    /// # Errors
    /// When it does not say enough.
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

/// The one dense layer that a checkpoint has for a task, if it has a head for it.
///
/// # Errors
/// When its head is another.
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

/// A task's head, by the task's name.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskHead {
    pub task: String,
    pub config: HeadConfig,
}

impl TaskHead {
    /// That of a task of questions.
    pub fn span(task: &str, config: SpanHeadConfig) -> Self {
        Self {
            task: task.to_owned(),
            config: HeadConfig::Span(config),
        }
    }
}

/// The shape of each task's head, by task.
pub fn shapes(heads: &[TaskHead]) -> BTreeMap<String, HeadShape> {
    let shapes = heads.iter();
    shapes
        .map(|head| (head.task.clone(), head.config.shape()))
        .collect()
}

/// The heads of a run's tasks, as `config.json` names them.
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

/// Width of the heads' hidden layers: what one token holds in a head beside its hidden state, at most.
pub const HIDDEN: usize = span_head::HEAD_HIDDEN;

/// A head. The record names its parameters without the kind: `heads.squad.start.weight`.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each task")]
pub enum Head {
    Span(SpanHead),
    Sequence(SequenceHead),
    Word(WordHead),
}

impl Head {
    /// A head on an encoder of this configuration.
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

    /// The dense layer that takes an f16 copy of its weight, if the layers compute in f16.
    pub fn f16_dense(&mut self) -> Option<&mut Dense> {
        match self {
            Self::Span(head) => head.f16_dense(),
            // Their products are f32.
            Self::Sequence(_) | Self::Word(_) => None,
        }
    }

    /// Makes what else is in f16 of the weights anew, if the layers compute in f16.
    pub fn refresh_f16_parts(&mut self) {
        match self {
            Self::Span(head) => head.refresh_f16_parts(),
            Self::Sequence(_) | Self::Word(_) => {}
        }
    }

    /// Lets the labels of classes and tags be smoothed in the loss.
    pub fn smooth_labels(&mut self, smoothing: f64) {
        match self {
            Self::Span(_) => {}
            Self::Sequence(head) => head.label_smoothing = smoothing,
            Self::Word(head) => head.label_smoothing = smoothing,
        }
    }

    /// Loss of the sequences of `input`, summed, `[1]`.
    ///
    /// # Panics
    /// If a label is of another kind than the head.
    pub fn loss(&self, input: &HeadInput, labels: &[Label]) -> Tensor<1> {
        let losses = match self {
            Self::Span(head) => feature_losses(head, input, &Targets::new(labels)),
            Self::Sequence(head) => head.losses(input, labels),
            Self::Word(head) => head.losses(input, labels),
        };
        losses.sum()
    }
}

/// The batch's loss, `[1]`: that of all tasks together, as [`task_losses`] has them.
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

/// The batch's loss in each task, `[1]` each: that of the task's features, by its own head, summed; 0
/// if it has none. `tasks` gives each feature's place in the task list.
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
