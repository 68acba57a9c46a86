//! `electra predict`: answers for a SQuAD-shaped file.

use std::path::PathBuf;

use clap::Args;

use super::compute::ComputeArgs;

/// Answer every question of a SQuAD-shaped file
///
/// Writes the answers, their n-best lists with probabilities and the no-answer scores.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra predict --checkpoint my_model --data questions.json --output answers")]
pub struct PredictArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Questions on passages, in the shape of a SQuAD file
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    #[command(flatten)]
    pub compute: ComputeArgs,
}
