//! `electra ask`: one question on one passage.

use std::path::PathBuf;

use clap::Args;

use super::compute::ComputeArgs;

/// Answer one question on one passage
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra ask --checkpoint my_model --question \"Who wrote it?\" --passage \"Ada wrote it.\"")]
pub struct AskArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// The question
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub question: String,
    /// The passage that holds the answer
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub passage: String,
    #[command(flatten)]
    pub compute: ComputeArgs,
}
