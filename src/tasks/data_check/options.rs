//! How files are checked.

use std::{num::NonZeroUsize, path::PathBuf};

use crate::data::split::Split;

/// How files are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The vocabulary or the folder of its model; by default that of the released models.
    pub vocab: Option<PathBuf>,
    /// By default what a run that only trains this task uses.
    pub max_seq_length: Option<usize>,
    /// For questions only.
    pub doc_stride: NonZeroUsize,
    /// For questions only.
    pub max_query_length: usize,
    /// The built-in task that the files belong to.
    pub task: Option<String>,
    /// The description of a user-defined task.
    pub description: Option<PathBuf>,
    /// The split of a single file, if its name does not tell.
    pub split: Option<Split>,
}
