//! Flags for the task that a file of texts or words belongs to.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use crate::{data::split::Split, tasks::data_check::Options};

/// Which task files of texts or words are of.
#[derive(Debug, Clone, Args)]
pub struct TaskArgs {
    /// Task that the file belongs to, as in task_names
    #[arg(long, value_name = "NAME", conflicts_with = "description")]
    pub task: Option<String>,
    /// The task.json that describes the file [default: the one next to it]
    #[arg(long, value_name = "FILE")]
    pub description: Option<PathBuf>,
    /// What the file is for: train, dev or test [default: from its name]
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<Split>,
}

impl TaskArgs {
    pub(super) fn options(&self) -> Options {
        Options {
            vocab: None,
            max_seq_length: None,
            doc_stride: NonZeroUsize::MIN,
            max_query_length: 64,
            task: self.task.clone(),
            description: self.description.clone(),
            split: self.split,
        }
    }
}
