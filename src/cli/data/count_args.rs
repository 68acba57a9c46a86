//! Flags that say how the tokens of data files are counted, and which task the files are of.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::task_args::TaskArgs;
use crate::tasks::data_check::Options;

/// How the tokens of files are counted.
#[derive(Debug, Clone, Args)]
pub struct CountArgs {
    /// The vocabulary that tokens are counted in, or the folder of its model [default: that of the
    /// released models]
    #[arg(long, value_name = "FILE|DIR")]
    pub vocab: Option<PathBuf>,
    /// Tokens of a window or of an example, special tokens included [default: 512 for questions,
    /// otherwise what a run of the task alone takes]
    #[arg(long, value_name = "N")]
    pub max_seq_length: Option<usize>,
    /// Tokens from the start of a window to the start of the next
    #[arg(long, value_name = "N", default_value_t = const { NonZeroUsize::new(128).unwrap() })]
    pub doc_stride: NonZeroUsize,
    /// Question tokens beyond this are cut off
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
