//! `electra evaluate`: answers, null odds, n-best lists and metrics of a fine-tuned model.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    finetune::{print_results, run_configuration},
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
    --set task_names=squad --set model_size=large --checkpoint my_model")]
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
    let mut config = args.run.resolve(args.compute.precision)?;
    config.do_train = false;
    config.do_eval = true;
    config.num_trials = 1;
    let checkpoint = args.checkpoint.clone();
    config.init_checkpoint = Some(checkpoint.unwrap_or_else(|| config.paths().model_dir(1)));
    let outcome = run_configuration(&config, &args.compute, global, false)?;
    print_results(&outcome, &config, global, out)
}
