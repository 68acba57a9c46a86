//! What can be wrong with labelled texts, a model's predictions for them, or their files.
//!
//! Every message names the file and the place, what was expected, what was found and what to do.

use std::{fmt, path::PathBuf};

use super::advice::Advice;
use crate::{data, eval, tasks::description};

/// Why texts could not be read, featurised, scored or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A data file that cannot be read; the message comes from its reader.
    #[error(transparent)]
    Data(#[from] data::Error),

    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] eval::Error),

    #[error(transparent)]
    Description(#[from] description::Error),

    /// A row that cannot be read or has an invalid label.
    #[error("{file}: {place}: expected {expected}, found {found}; {advice}")]
    Row {
        file: String,
        place: Place,
        expected: String,
        found: String,
        advice: Advice,
    },

    /// A whole file that does not suit its task.
    #[error("{file}: expected {expected}, found {found}; {advice}")]
    Table {
        file: String,
        expected: String,
        found: String,
        advice: Advice,
    },

    #[error("{task} has no split {split:?}; it has {known}")]
    UnknownSplit {
        task: String,
        split: String,
        known: String,
    },

    #[error(
        "{}: expected texts with labels, found none{left_out}; check that it is the task's own file and \
         has its columns",
        path.display()
    )]
    NoExample { path: PathBuf, left_out: String },

    #[error(
        "{}: the labels of a test file are not known, so that it cannot be scored; give a file with labels, \
         or ask for its predictions",
        path.display()
    )]
    NotLabelled { path: PathBuf },

    #[error(
        "expected {expected} for each of {features} features, found {found}: they belong to another file"
    )]
    Outputs {
        expected: String,
        features: usize,
        found: String,
    },

    #[error(
        "{task}, example {eid}: expected finite numbers, found {value}; the model's weights or its \
         arithmetic have overflowed: use an earlier checkpoint, a lower learning rate or precision f32"
    )]
    NotFinite { task: String, eid: u64, value: f32 },
}

/// A position in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Line(usize),
    /// In a JSON list, whose rows may span lines or share one.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row} of the list"),
        }
    }
}
