//! `electra finetune`: the reference's `run_finetuning.py`, with its flags, folders and results.

use clap::Args;

use super::{compute::ComputeArgs, hyper_parameters::RunArgs};

/// Fine-tune a pre-trained model on one or more tasks, then evaluate it
///
/// Reads DIR/models/NAME and DIR/finetuning_data/TASK/train.json, and writes the fine-tuned model,
/// answers and metrics below DIR/models/NAME. Started again, it goes on from its last checkpoint.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra finetune --data-dir data --model-name electra_large \\
    --set task_names=squad --set model_size=large --set train_batch_size=16")]
pub struct FinetuneArgs {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Begin anew instead of going on; an earlier run's folder is moved aside
    #[arg(long, help_heading = "Run")]
    pub restart: bool,
}
