//! `electra ask`: one question on one passage.

use std::{io::Write, path::PathBuf};

use anyhow::Context;

use clap::Args;

use super::{GlobalArgs, compute::ComputeArgs};
use crate::{data::example::Examples, eval::nbest::QuestionPrediction, fine_tuned::FineTuned};

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
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = text)]
    pub question: String,
    /// The passage that holds the answer
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = text)]
    pub passage: String,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Text with at least one word.
fn text(given: &str) -> Result<String, String> {
    match given.trim() {
        "" => Err("expected text, found none".to_owned()),
        _ => Ok(given.to_owned()),
    }
}

/// Prints the answer, its alternatives and how likely there is none.
pub(super) fn run(args: &AskArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let chosen = args.compute.open(global)?;
    let model = FineTuned::open(&args.checkpoint, &chosen, args.compute.precision())?;
    let prediction = ask(&model, &args.question, &args.passage)?;
    print_answer(&prediction, &model, global, out)
}

pub(super) fn ask(
    model: &FineTuned,
    question: &str,
    passage: &str,
) -> anyhow::Result<QuestionPrediction> {
    let examples = Examples::of_one(question, passage);
    let answered = model.answer(examples, &mut |_, _| {})?;
    answered.into_iter().next().context("no answer was made")
}

pub(super) fn print_answer(
    prediction: &QuestionPrediction,
    model: &FineTuned,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let threshold = model.config.qa_na_threshold;
    let answered = prediction.null_odds.is_none_or(|odds| odds <= threshold);
    if global.json {
        let figures = serde_json::json!({
            "answer": if answered { prediction.text.as_str() } else { "" },
            "null_odds": prediction.null_odds,
            "threshold": threshold,
            "nbest": prediction.nbest,
        });
        writeln!(out, "{figures}")?;
        return Ok(());
    }
    if answered {
        writeln!(out, "{}", prediction.text)?;
    } else {
        writeln!(out, "(no answer)")?;
    }
    for entry in prediction.nbest.iter().take(5) {
        writeln!(out, "  {:5.1}%  {}", 100.0 * entry.probability, entry.text)?;
    }
    if let Some(odds) = prediction.null_odds {
        writeln!(
            out,
            "no-answer score {odds:.2}; above {threshold:.2} means no answer"
        )?;
    }
    Ok(())
}
