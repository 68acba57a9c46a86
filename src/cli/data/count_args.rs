//! Flags for counting the tokens of data files, and for the task of the files.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::task_args::TaskArgs;
use crate::tasks::data_check::Options;

/// How the tokens of files are counted.
#[derive(Debug, Clone, Args)]
pub struct CountArgs {
    /// Vocabulary to count tokens with: a file, or a model's folder [default: the released models']
    #[arg(long, value_name = "FILE|DIR")]
    pub vocab: Option<PathBuf>,
    /// Maximum tokens per window or example, special tokens included [default: 512 for questions, else as in
    /// a run of the task alone]
    #[arg(long, value_name = "N")]
    pub max_seq_length: Option<usize>,
    /// Tokens from the start of one window to the start of the next
    #[arg(long, value_name = "N", default_value_t = const { NonZeroUsize::new(128).unwrap() })]
    pub doc_stride: NonZeroUsize,
    /// Maximum tokens per question; the rest is cut off
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_query_length: usize,
    #[command(flatten)]
    pub task: TaskArgs,
}

impl CountArgs {
    pub(super) fn options(&self) -> Options {
        Options {
            vocab: self.vocab.clone(),
            max_seq_length: self.max_seq_length,
            doc_stride: self.doc_stride,
            max_query_length: self.max_query_length,
            ..self.task.options()
        }
    }
}
