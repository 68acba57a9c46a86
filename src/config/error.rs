//! Configuration errors, whose messages name the key and the remedy.

use std::path::PathBuf;

use serde_json::Value;

use super::alias;
use crate::tasks::registry::UnknownTask;

/// Longer values are truncated to this many characters in messages.
const SHOWN_VALUE: usize = 80;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("hyper-parameter {key}: there is no such key; {nearest}")]
    UnknownKey {
        key: String,
        /// What to give instead.
        nearest: String,
    },
    #[error("hyper-parameter {key} = {value}: expected {expected}")]
    WrongType {
        key: String,
        value: String,
        expected: String,
    },
    #[error("hyper-parameter {key} = {value}: {must}")]
    OutOfRange {
        key: String,
        value: String,
        /// What the value must be, and what to do.
        must: String,
    },
    #[error("task_names names no task; give one or several of {known}")]
    NoTask { known: String },
    #[error("task_names: {0}")]
    UnknownTask(#[from] UnknownTask),

    #[error(
        "{}: expected a task.json, which describes a task of your own, found none; write one like \
         {{\"kind\": \"classification\", \"text\": \"sentence\", \"label\": \"label\"}}, or make the \
         folder with electra data classification",
        folder.display()
    )]
    NoDescription { folder: PathBuf },
    #[error("{path}: the hyper-parameters cannot be read: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{origin}: not JSON: {source}; if the shell removes quotes, give --set KEY=VALUE instead, or a file \
         that ends in .json"
    )]
    Json {
        origin: String,
        source: serde_json::Error,
    },
    #[error(
        "{origin}: expected a JSON object such as {{\"model_size\": \"large\"}}, found {found}"
    )]
    NotAnObject { origin: String, found: String },
    #[error("--set {text}: expected KEY=VALUE, for example --set train_batch_size=16")]
    SetSyntax { text: String },
    #[error("hyper-parameter {key} = {given}: the checkpoint has {told} ({file}); {advice}")]
    Contradiction {
        key: String,
        given: String,
        /// The checkpoint's value, with its key.
        told: String,
        file: PathBuf,
        advice: String,
    },
    #[error(
        "{file}: hidden_act = {found:?}: this engine computes only \"gelu\"; take another model"
    )]
    Activation { file: PathBuf, found: String },
    #[error("the model's name is empty; give the name of a folder in {models}")]
    NoModelName { models: PathBuf },
}

impl Error {
    /// Builds the error for an unknown key; `nearest` finds the known key that is most similar.
    pub(super) fn unknown_key(key: &str, nearest: impl FnOnce(&str) -> String) -> Self {
        Error::UnknownKey {
            key: shorten(key),
            nearest: match alias::of(key) {
                Some(ours) => format!("Hugging Face's {key} is {ours}"),
                None => format!("the nearest is {}", nearest(key)),
            },
        }
    }

    pub(super) fn wrong_type(key: &str, value: &Value, expected: String) -> Self {
        Error::WrongType {
            key: key.to_owned(),
            value: shorten(&value.to_string()),
            expected,
        }
    }

    pub(super) fn out_of_range(
        key: &str,
        value: impl std::fmt::Display,
        must: impl Into<String>,
    ) -> Self {
        Error::OutOfRange {
            key: key.to_owned(),
            value: shorten(&value.to_string()),
            must: must.into(),
        }
    }
}

/// Puts text on one line and truncates it if it is long.
pub(super) fn shorten(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(SHOWN_VALUE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
