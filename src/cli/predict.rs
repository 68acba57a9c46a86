//! `electra predict`: answers for a SQuAD-shaped file.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::Args;
use serde_json::json;

use super::{GlobalArgs, compute::ComputeArgs, session::Session};
use crate::{
    data::split::Split,
    durable_file::spare_inputs,
    eval::origin::Origin,
    fine_tuned::TaskChoice,
    tasks::asked::Form,
    tasks::qa::{
        answers::{answer_files::AnswerFiles, answer_map::test_outputs},
        no_answer::threshold::{self, signed},
        raw::question_set::QuestionSet,
        reader::ReadOptions,
    },
};

/// Answer every question of a SQuAD-shaped file
///
/// Writes the answers, their n-best lists with probabilities, the no-answer scores, and with which
/// threshold on them the answers are to be scored.
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
    /// No-answer score above which there is no answer [default: the model's]
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        value_parser = threshold::parse
    )]
    pub threshold: Option<f64>,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Answers and writes `preds.json`, `nbest.json` and, for SQuAD 2.0 models, `null_odds.json`.
pub(super) fn run(
    args: &PredictArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    // What can be wrong is found before a device is opened and hours are spent.
    let files = AnswerFiles::in_folder(&args.output);
    for path in files.paths() {
        spare_inputs(&path, [args.data.as_path()])?;
    }
    let options = ReadOptions {
        task: "squad",
        split: Split::Test,
    };
    let examples = QuestionSet::read(&args.data, None)?.examples(options)?;
    files.check()?;
    let session = Session::open(&args.compute, global)?;
    let model = session.model(&args.checkpoint, TaskChoice::Taking(Form::Question))?;
    if args.threshold.is_some() {
        model.expect_null_odds(threshold::OPTION)?;
    }
    let questions = examples.examples.len();
    let bar = session.progress.windows(0);
    let predictions = model.answer(examples, &mut |done, windows| {
        bar.set_length(windows as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();

    let threshold = args.threshold.unwrap_or(model.config.qa_na_threshold);
    let origin = Origin {
        device: session.chosen.short(),
        precision: model.precision.word().to_owned(),
        settings: model.config.non_defaults(),
        ..Origin::of_command(&args.checkpoint)
    };
    files.write(&predictions, &args.data, None, threshold, &origin)?;
    // Without no-answer scores nothing is held back.
    let unanswered = predictions.iter().any(|p| p.null_odds.is_some()).then(|| {
        let outputs = test_outputs(&predictions, threshold);
        outputs.iter().filter(|(_, text)| text.is_empty()).count()
    });
    if global.json {
        let told = json!({
            "output": args.output,
            "questions": questions,
            "no_answer": unanswered,
            "threshold": unanswered.map(|_| threshold),
        });
        writeln!(out, "{told}")?;
        session.progress.done();
        return Ok(());
    }
    let held_back = unanswered.map_or(String::new(), |none| {
        let threshold = signed(threshold);
        format!(", {none} of them with no answer at threshold {threshold}")
    });
    writeln!(
        out,
        "{questions} questions answered{held_back}: {}",
        printable(&args.output.display().to_string())
    )?;
    Ok(())
}
