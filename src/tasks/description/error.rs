//! What can be wrong with a description or its files.

use std::path::PathBuf;

use super::FILE;
use crate::data;

/// What can be wrong with a description or its files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),

    #[error(
        "{file}: line {line}, column {column}: {problem}; a task is described like this: {{\"kind\": \
         \"classification\", \"text\": \"sentence\", \"label\": \"label\"}}"
    )]
    Json {
        file: String,
        line: usize,
        column: usize,
        problem: String,
    },

    #[error("{file}: there is no key {key:?}; did you mean {nearest:?}? It may have {known}")]
    UnknownKey {
        file: String,
        key: String,
        nearest: String,
        known: String,
    },

    #[error("{file}: {key}: expected {expected}, found {found}; {advice}")]
    Value {
        file: String,
        key: &'static str,
        expected: &'static str,
        found: String,
        advice: &'static str,
    },

    #[error(
        "{}: expected a file {split}.{} (or one packed with gzip), found {found}; {advice}",
        folder.display(), extensions.join(&format!(", {split}."))
    )]
    NoFile {
        folder: PathBuf,
        split: &'static str,
        extensions: &'static [&'static str],
        found: String,
        advice: String,
    },

    #[error(
        "{}: expected one file for {split}, found {found}; remove all but one, or name it in {FILE}: \
         \"files\": {{\"{split}\": {first:?}}}",
        folder.display()
    )]
    SeveralFiles {
        folder: PathBuf,
        split: &'static str,
        found: String,
        first: String,
    },
}
