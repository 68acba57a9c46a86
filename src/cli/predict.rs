//! `electra predict`: answers for a SQuAD-shaped file.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::Args;

use super::{GlobalArgs, compute::ComputeArgs, model::find_model};
use crate::{
    data::{example::Split, question_file::QuestionFile, reader::ReadOptions},
    durable_file::spare_inputs,
    eval::{
        json_file::write_json,
        results::{answers, nbest, null_odds},
    },
    fine_tuned::FineTuned,
};

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

/// Answers and writes `preds.json`, `nbest.json` and, for SQuAD 2.0 models, `null_odds.json`.
pub(super) fn run(
    args: &PredictArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let output = |name| args.output.join(name);
    for name in ["preds.json", "nbest.json", "null_odds.json"] {
        spare_inputs(&output(name), [args.data.as_path()])?;
    }
    let chosen = args.compute.open(global)?;
    let found = find_model(&args.checkpoint, None, &global.progress())?;
    let model = FineTuned::open(&found.path, &chosen, args.compute.precision())?;
    let options = ReadOptions {
        task: "squad",
        split: Split::Test,
    };
    let examples = QuestionFile::read(&args.data, None)?.examples(options)?;
    let questions = examples.examples.len();
    let progress = global.progress();
    let bar = progress.windows(0);
    let predictions = model.answer(examples, &mut |done, windows| {
        bar.set_length(windows as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    write_json(&output("preds.json"), &answers(&predictions))?;
    write_json(&output("nbest.json"), &nbest(&predictions))?;
    if predictions.iter().any(|p| p.null_odds.is_some()) {
        write_json(&output("null_odds.json"), &null_odds(&predictions))?;
    }
    writeln!(
        out,
        "{questions} questions answered: {}",
        printable(&args.output.display().to_string())
    )?;
    progress.done();
    Ok(())
}
