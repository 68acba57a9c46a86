//! Which head of a record goes along to `transformers`. Its `ElectraForTokenClassification` has one
//! dense layer on every token, as a tagging head has; no other class of it has a head that is the
//! reference's.

use crate::config::RecordConfig;
use crate::head_shape::{DenseKind, DenseShape, HeadShape};

/// The one tagging head of a record.
pub(super) struct TaggingHead {
    pub task: String,
    pub shape: DenseShape,
}

impl TaggingHead {
    /// `None` where the record has none, or several, of which a model can hold one.
    pub fn of(config: &RecordConfig) -> Option<Self> {
        let mut heads = config.heads.iter().filter_map(|(task, head)| match head {
            HeadShape::Dense(shape) if shape.kind == Some(DenseKind::Tagging) => Some(Self {
                task: task.clone(),
                shape: shape.clone(),
            }),
            _ => None,
        });
        heads.next().filter(|_| heads.next().is_none())
    }
}

/// Why the parameter at `path` of a record is left out.
pub(super) fn reason(config: &RecordConfig, path: &str) -> &'static str {
    let owner = config.heads.iter().find(|(task, _)| {
        path.strip_prefix("heads.")
            .and_then(|rest| rest.strip_prefix(task.as_str()))
            .is_some_and(|rest| rest.starts_with('.'))
    });
    match owner.map(|(_, head)| head) {
        None => "not in config.json",
        Some(HeadShape::Span(_)) => "head of a task: transformers has no model with the joint head",
        Some(HeadShape::Dense(dense)) => match dense.kind {
            Some(DenseKind::Classification | DenseKind::Regression) => {
                "head of a task: the classifier of transformers has a second layer with GELU between"
            }
            Some(DenseKind::Tagging) => {
                "head of a task: one of several tagging heads; a model of transformers has one"
            }
            None => {
                "head of a task: config.json does not say its kind; put \"kind\": \"tagging\" there \
                 if it labels each word"
            }
        },
    }
}
