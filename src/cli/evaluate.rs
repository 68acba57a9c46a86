//! `electra evaluate`: answers, null odds, n-best lists and metrics of a fine-tuned model.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
};

use checkpoints_convert::{RECORD_FILE, is_checkpoint};
use clap::Args;

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    finetune::{Course, has_record, print_results, run_draft, take_answering},
    hyper_parameters::RunArgs,
};
use crate::{
    config::Draft,
    finetune::{GivenFiles, check_places},
    ranks::Ranks,
};

/// Evaluate a fine-tuned model on the dev files of its tasks
///
/// Writes predictions and metrics to DIR/models/NAME/results, as Google's code does with do_train=false.
/// For question answering, these include null odds and n-best lists. Results of another --checkpoint, or
/// of one of several trials, go to that checkpoint's folder, so that the run keeps its own. The settings
/// that decide how the model answers (lengths, n-best sizes, the no-answer threshold) are the model's own
/// unless given.
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
    /// Folder of the fine-tuned model [default: the run's own]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub checkpoint: Option<PathBuf>,
    /// Output folder [default: the run's results, or CHECKPOINT/results]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub output: Option<PathBuf>,
}

/// Evaluates and prints the scores.
pub(super) fn run(
    args: &EvaluateArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let precision = args.compute.precision;
    let mut draft = match &args.checkpoint {
        Some(_) => args.run.draft(precision)?,
        None => args.run.draft_of_made(precision, &global.progress())?,
    };
    let own = draft.model_dir(1);
    draft.evaluate_only(args.checkpoint.clone());
    let checkpoint = args.checkpoint.as_ref().unwrap_or(&own);
    // A checkpoint that must be converted first is checked once its record exists.
    if !has_record(checkpoint) {
        take_answering(&mut draft, checkpoint, &global.progress())?;
    }
    if let Some(folder) = &args.output {
        draft.results_into(folder.clone(), true);
    } else if !is_same(checkpoint, &own) || are_of_trials(&draft) {
        draft.results_into(results_of(checkpoint), false);
    }
    // Before the device is opened and the model read; the run itself reports all other errors. Without a model
    // there are no results, and no folders are made for them.
    let is_model = checkpoint.join(RECORD_FILE).is_file() || is_checkpoint(checkpoint);
    if is_model && let Ok(resolved) = draft.finish(None) {
        let given = GivenFiles {
            hparams: args.run.given.file(),
            ..GivenFiles::default()
        };
        check_places(&resolved.config, given)?;
    }
    let course = Course {
        calibrated: true,
        hparams: args.run.given.file().map(Path::to_owned),
        ..Course::default()
    };
    let mut compute = args.compute.clone();
    compute.memory_budget = args.run.memory_budget(compute.memory_budget);
    let (config, outcome) = run_draft(&draft, &compute, global, &Ranks::alone(), course)?;
    print_results(&outcome, &config, global, out)
}

/// Whether the existing results are those of several trials, of which only one is evaluated.
fn are_of_trials(draft: &Draft) -> bool {
    let resolved = draft.finish(None);
    resolved.is_ok_and(|resolved| resolved.config.paths().summary().exists())
}

/// Whether two paths lead to the same folder.
fn is_same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The results folder of a checkpoint outside its run: in its folder, or beside its file.
fn results_of(checkpoint: &Path) -> PathBuf {
    if checkpoint.is_dir() {
        return checkpoint.join("results");
    }
    let mut folder = OsString::from(checkpoint);
    folder.push(".results");
    folder.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_lie_with_their_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join("m.zip");
        assert_eq!(results_of(folder.path()), folder.path().join("results"));
        assert_eq!(results_of(&zip), folder.path().join("m.zip.results"));
        assert!(is_same(&folder.path().join("."), folder.path()));
        assert!(!is_same(&zip, folder.path()));
    }
}
