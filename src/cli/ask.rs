//! `electra ask`: one question on one passage.

use std::{io::Write, path::PathBuf};

use anyhow::Context;

use clap::Args;

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    excerpt::{Marks, excerpt, printable},
    model::find_model,
};
use crate::{data::example::Examples, fine_tuned::FineTuned, reply::Reply};

/// Possible answers that are shown.
const SHOWN: usize = 5;

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
    let found = find_model(&args.checkpoint, None, &global.progress())?;
    let model = FineTuned::open(&found.path, &chosen, args.compute.precision())?;
    let reply = ask(&model, &args.question, &args.passage)?;
    if global.json {
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        return Ok(());
    }
    print_reply(&reply, &args.passage, Marks::of_stdout(), out)
}

pub(super) fn ask(model: &FineTuned, question: &str, passage: &str) -> anyhow::Result<Reply> {
    let examples = Examples::of_one(question, passage);
    let answered = model.answer(examples, &mut |_, _| {})?;
    let prediction = answered.into_iter().next().context("no answer was made")?;
    let threshold = model.config.qa_na_threshold;
    Ok(Reply::new(prediction, &model.config, threshold))
}

/// The answer in its own line, then where it stands, what else it might be, and how likely there
/// is none.
pub(super) fn print_reply(
    reply: &Reply,
    passage: &str,
    marks: Marks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match reply.answer.as_str() {
        "" => writeln!(out, "(no answer)")?,
        answer => writeln!(out, "{}", printable(answer))?,
    }
    if let Some(place) = reply.place() {
        writeln!(out, "\n  {}\n", excerpt(passage, &place, marks))?;
    }
    for entry in reply.nbest.iter().take(SHOWN) {
        let percent = 100.0 * entry.probability;
        writeln!(out, "  {percent:5.1}%  {}", printable(&entry.text))?;
    }
    if let Some(odds) = reply.null_odds {
        let probability = match reply.no_answer_probability {
            Some(probability) => format!("probability {:.1}%, ", 100.0 * probability),
            None => String::new(),
        };
        writeln!(
            out,
            "no-answer {probability}score {odds:.2}; above {:.2} means no answer",
            reply.threshold
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Alternative;

    fn printed(reply: &Reply, passage: &str) -> String {
        let mut out = Vec::new();
        print_reply(reply, passage, Marks::PLAIN, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn reply() -> Reply {
        let alternative = |text: &str, probability| Alternative {
            text: text.to_owned(),
            probability,
            start_logit: 0.0,
            end_logit: 0.0,
            start: None,
            end: None,
        };
        Reply {
            answer: "an oak".to_owned(),
            start: Some(8),
            end: Some(14),
            null_odds: Some(-4.81),
            no_answer_probability: Some(0.00808),
            threshold: -1.22,
            nbest: vec![alternative("an oak", 0.982), alternative("oak", 0.018)],
        }
    }

    #[test]
    fn the_answer_comes_first_and_its_place_next() {
        let expected = "an oak\n\n  This is [an oak].\n\n   98.2%  an oak\n    1.8%  oak\n\
                        no-answer probability 0.8%, score -4.81; above -1.22 means no answer\n";
        assert_eq!(printed(&reply(), "This is an oak."), expected);
    }

    #[test]
    fn without_an_answer_the_alternatives_are_told() {
        let none = Reply {
            answer: String::new(),
            start: None,
            end: None,
            no_answer_probability: None,
            ..reply()
        };
        let expected = "(no answer)\n   98.2%  an oak\n    1.8%  oak\n\
                        no-answer score -4.81; above -1.22 means no answer\n";
        assert_eq!(printed(&none, "This is an oak."), expected);
        let certain = Reply {
            null_odds: None,
            ..none
        };
        assert!(printed(&certain, "").ends_with("  oak\n"));
    }
}
