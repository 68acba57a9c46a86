//! `electra ask`: questions on one passage.

use std::{io::Write, path::PathBuf};

use anyhow::bail;
use clap::Args;

use super::{
    Failure, GlobalArgs,
    asked::{Questions, passage},
    compute::ComputeArgs,
    excerpt::{Marks, excerpt, printable},
    session::Session,
};
use crate::{
    fine_tuned::{FineTuned, TaskChoice},
    tasks::{
        asked::{Asked, Form},
        qa::{
            no_answer::threshold::{self, signed},
            reply::QuestionReply,
        },
        reply::Reply,
    },
};

/// Possible answers that are shown.
const SHOWN: usize = 5;

/// Answer questions on one passage
///
/// Without --question it asks for questions at a terminal, or reads them from standard input, a
/// line each.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra ask --checkpoint my_model --question \"Who wrote it?\" \\
    --passage \"Ada wrote it.\"
  electra ask --checkpoint my_model --passage-file letter.txt")]
pub struct AskArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// The question, or - for standard input, a question a line; may be repeated
    #[arg(long = "question", value_name = "TEXT", allow_hyphen_values = true, value_parser = text)]
    pub questions: Vec<String>,
    /// The passage that holds the answer, or - for standard input
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        value_parser = text,
        required_unless_present = "passage_file"
    )]
    pub passage: Option<String>,
    /// A file with the passage, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "passage")]
    pub passage_file: Option<PathBuf>,
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

/// Text with at least one word.
fn text(given: &str) -> Result<String, String> {
    match given.trim() {
        "" => Err("expected text, found none".to_owned()),
        _ => Ok(given.to_owned()),
    }
}

/// Prints the answer to each question, its alternatives and how likely there is none.
pub(super) fn run(args: &AskArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let (passage, from_stdin) = passage(args.passage.as_deref(), args.passage_file.as_deref())?;
    let mut questions = Questions::new(args.questions.clone(), from_stdin)?;
    let session = Session::open(&args.compute, global)?;
    let mut model = session.model(&args.checkpoint, TaskChoice::Taking(Form::Question))?;
    if let Some(given) = args.threshold {
        model.set_threshold(given)?;
    }
    let marks = Marks::of_stdout();
    let mut asked = 0;
    while let Some(question) = questions.next()? {
        let reply = match ask(&model, &question, &passage) {
            // A question that fails does not end the talk; a device that fails does.
            Err(error) if questions.are_typed() && Failure::of(&error) == Failure::Use => {
                Failure::Use.tell(&error, global);
                continue;
            }
            reply => reply?,
        };
        if global.json {
            writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        } else {
            if asked > 0 && !questions.are_typed() {
                writeln!(out)?;
            }
            if questions.are_several() {
                writeln!(out, "{}", printable(&question))?;
            }
            print_reply(&reply, &passage, marks, out)?;
        }
        out.flush()?;
        asked += 1;
    }
    session.progress.done();
    Ok(())
}

pub(super) fn ask(
    model: &FineTuned,
    question: &str,
    passage: &str,
) -> anyhow::Result<QuestionReply> {
    match model.ask(&Asked::question(question, passage))? {
        Reply::Question(reply) => Ok(reply),
        _ => bail!("no answer was made"),
    }
}

/// The answer in its own line, then where it stands, what else it might be, and how likely there
/// is none.
pub(super) fn print_reply(
    reply: &QuestionReply,
    passage: &str,
    marks: Marks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let held_back = reply.null_odds.filter(|odds| *odds > reply.threshold);
    match (reply.answer.as_str(), held_back) {
        ("", Some(odds)) => writeln!(out, "{}", no_answer(reply, odds))?,
        ("", None) => writeln!(out, "(no answer)")?,
        (answer, _) => writeln!(out, "{}", printable(answer))?,
    }
    if let Some(place) = reply.place() {
        writeln!(out, "\n  {}\n", excerpt(passage, &place, marks))?;
    }
    for entry in reply.nbest.iter().take(SHOWN) {
        let percent = 100.0 * entry.probability;
        writeln!(out, "  {percent:5.1}%  {}", printable(&entry.text))?;
    }
    let probability = reply
        .no_answer_probability
        .map(|probability| 100.0 * probability);
    match (reply.null_odds, probability, held_back) {
        (None, ..) | (_, None, Some(_)) => {}
        (_, Some(percent), Some(_)) => writeln!(out, "no-answer probability {percent:.1}%")?,
        (Some(odds), probability, None) => {
            let probability = match probability {
                Some(percent) => format!("probability {percent:.1}%, "),
                None => String::new(),
            };
            writeln!(
                out,
                "no-answer {probability}score {odds:.2}; above {:.2} means no answer",
                reply.threshold
            )?;
        }
    }
    Ok(())
}

/// Why there is no answer, and what it would be.
fn no_answer(reply: &QuestionReply, odds: f64) -> String {
    let mut line = format!(
        "no answer: score {} is above the threshold {}",
        signed(odds),
        signed(reply.threshold)
    );
    if let Some(best) = reply.nbest.first().filter(|best| !best.text.is_empty()) {
        let percent = 100.0 * best.probability;
        line.push_str(&format!(
            "; if there is one: {} ({percent:.1} %)",
            printable(&best.text)
        ));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::qa::reply::Alternative;

    fn printed(reply: &QuestionReply, passage: &str) -> String {
        let mut out = Vec::new();
        print_reply(reply, passage, Marks::PLAIN, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn reply() -> QuestionReply {
        let alternative = |text: &str, probability| Alternative {
            text: text.to_owned(),
            probability,
            start_logit: 0.0,
            end_logit: 0.0,
            start: None,
            end: None,
        };
        QuestionReply {
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
        let none = QuestionReply {
            answer: String::new(),
            start: None,
            end: None,
            no_answer_probability: None,
            ..reply()
        };
        let expected = "(no answer)\n   98.2%  an oak\n    1.8%  oak\n\
                        no-answer score -4.81; above -1.22 means no answer\n";
        assert_eq!(printed(&none, "This is an oak."), expected);
        let certain = QuestionReply {
            null_odds: None,
            ..none
        };
        assert!(printed(&certain, "").ends_with("  oak\n"));
    }

    #[test]
    fn an_answer_that_is_held_back_is_told_with_its_score() {
        let held_back = QuestionReply {
            answer: String::new(),
            start: None,
            end: None,
            null_odds: Some(-0.67),
            no_answer_probability: Some(0.338),
            threshold: -2.75,
            ..reply()
        };
        let expected = "no answer: score −0.67 is above the threshold −2.75; if there is one: \
                        an oak (98.2 %)\n   98.2%  an oak\n    1.8%  oak\n\
                        no-answer probability 33.8%\n";
        assert_eq!(printed(&held_back, "This is an oak."), expected);
        let nothing = QuestionReply {
            nbest: Vec::new(),
            no_answer_probability: None,
            ..held_back
        };
        let expected = "no answer: score −0.67 is above the threshold −2.75\n";
        assert_eq!(printed(&nothing, ""), expected);
    }
}
