//! `electra evaluate`: answers, null odds, n-best lists and metrics of a fine-tuned model.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    finetune::{Course, print_results, run_draft},
    hyper_parameters::RunArgs,
};

/// Evaluate a fine-tuned model on the dev file of its tasks
///
/// What the reference does with do_train=false: writes answers, null odds, n-best lists and
/// metrics below DIR/models/NAME/results.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra evaluate --data-dir data --model-name electra_large \\
    --set task_names=squad --checkpoint my_model")]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Folder of the model to evaluate [default: the one that finetune made]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub checkpoint: Option<PathBuf>,
}

/// Evaluates and prints the figures.
pub(super) fn run(
    args: &EvaluateArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut draft = args.run.draft(args.compute.precision)?;
    draft.evaluate_only(args.checkpoint.clone());
    let (config, outcome) = run_draft(&draft, &args.compute, global, Course::default())?;
    print_results(&outcome, &config, global, out)
}
