//! Formats a reply for a terminal: what matters first, then how confident the model is.

use std::io::Write;

use super::excerpt::{Marks, excerpt, marked, printable};
use crate::{
    counted::counted_with,
    tasks::{
        asked::Asked,
        classification::reply::{ClassReply, ValueReply},
        qa::{no_answer::threshold::signed, reply::QuestionReply},
        reply::Reply,
        tagging::reply::TagReply,
    },
};

/// Number of candidate answers that are shown.
const SHOWN: usize = 5;

/// Number of classes or spans that are shown.
const ROWS: usize = 50;

/// Columns for the text after a probability.
const WIDTH: usize = 68;

/// Prints the reply to what was asked.
pub(super) fn print(
    reply: &Reply,
    asked: &Asked,
    marks: Marks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match (reply, asked) {
        (Reply::Question(reply), Asked::Question { passage, .. }) => {
            print_answer(reply, passage, marks, out)
        }
        (Reply::Question(reply), Asked::Text { a, .. }) => print_answer(reply, a, marks, out),
        (Reply::Class(reply), _) => print_class(reply, out),
        (Reply::Value(reply), _) => print_value(reply, out),
        (Reply::Tags(reply), Asked::Text { a, .. }) => print_spans(reply, a, marks, out),
        (Reply::Tags(reply), Asked::Question { passage, .. }) => {
            print_spans(reply, passage, marks, out)
        }
    }
}

/// Prints the class on its own line, then all of them.
fn print_class(reply: &ClassReply, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}\n", cut(&reply.label))?;
    for entry in reply.labels.iter().take(ROWS) {
        let percent = 100.0 * entry.probability;
        writeln!(out, "  {percent:5.1}%  {}", cut(&entry.label))?;
    }
    print_more(reply.labels.len(), "classes", out)?;
    print_cut(reply.cut_tokens, out)
}

/// Prints the value with the range of the training labels.
fn print_value(reply: &ValueReply, out: &mut dyn Write) -> anyhow::Result<()> {
    let value = signed_to_three(reply.value);
    match reply.range {
        Some([min, max]) if (min..=max).contains(&reply.value) => {
            writeln!(out, "{value}  (from {min} to {max})")?;
        }
        Some([min, max]) => writeln!(out, "{value}  (outside {min} to {max})")?,
        None if reply.own_scale => writeln!(out, "{value}  (on the scale of the training labels)")?,
        None => writeln!(
            out,
            "{value}  (0 is the minimum of the training labels, 1 the maximum)"
        )?,
    }
    print_cut(reply.cut_tokens, out)
}

fn signed_to_three(value: f64) -> String {
    format!("{value:.3}").replace('-', "\u{2212}")
}

/// Prints the text with its spans marked, then each with its type.
fn print_spans(
    reply: &TagReply,
    text: &str,
    marks: Marks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if reply.spans.is_empty() {
        writeln!(out, "(no span)")?;
        return print_cut(reply.cut_tokens, out);
    }
    let places = reply
        .spans
        .iter()
        .map(|span| span.start_byte..span.end_byte);
    if let Some(marked) = marked(text, places, marks) {
        writeln!(out, "{marked}\n")?;
    }
    let rows = || reply.spans.iter().take(ROWS);
    let width = |kind: &str| printable(kind).chars().count().min(WIDTH / 2);
    let longest = rows().map(|span| width(&span.kind)).max().unwrap_or(0);
    for span in rows() {
        let percent = 100.0 * span.probability;
        let kind = cut_to(&span.kind, WIDTH / 2);
        let text = cut_to(&span.text, WIDTH - longest - 2);
        writeln!(out, "  {percent:5.1}%  {kind:longest$}  {text}")?;
    }
    print_more(reply.spans.len(), "spans", out)?;
    print_cut(reply.cut_tokens, out)
}

fn print_more(count: usize, what: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    match count.checked_sub(ROWS) {
        None | Some(0) => Ok(()),
        Some(more) => Ok(writeln!(out, "  and {more} more {what}; --json gives all")?),
    }
}

fn print_cut(tokens: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    if tokens == 0 {
        return Ok(());
    }
    let tokens = counted_with(tokens, "token", ["was", "were"]);
    Ok(writeln!(out, "{tokens} cut off and not read")?)
}

fn cut(text: &str) -> String {
    cut_to(text, WIDTH)
}

/// Truncates the text to `width` characters, with … for the rest.
fn cut_to(text: &str, width: usize) -> String {
    let text = printable(text);
    match text.chars().count() > width {
        false => text,
        true => {
            let kept: String = text.chars().take(width.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

/// Prints the answer on its own line, then its position, other candidates, and how likely it is
/// that there is none.
pub(super) fn print_answer(
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

/// Explains why there is no answer, and which one was rejected.
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
        print_answer(reply, passage, Marks::PLAIN, &mut out).unwrap();
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
