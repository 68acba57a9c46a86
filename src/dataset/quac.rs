//! QuAC: dialogues about a passage → SQuAD 2.0 questions, with as much of the dialogue before
//! each as is asked for.
//!
//! A question is unanswerable where `orig_answer` is `CANNOTANSWER`. Its answers are all of the
//! file's, and `orig_answer` once more after them, as in the converter that this follows. Places
//! are the annotated ones.

use std::{collections::HashSet, path::Path};

use serde::Deserialize;

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    squad_writer::{Answer, Paragraph, Question},
};
use crate::data::reader::{json_error, read_text};

/// What QuAC says where the passage has no answer. It is the last word of every passage.
const NO_ANSWER: &str = "CANNOTANSWER";

const ADVICE: &str = "a QuAC file is one JSON object: {\"data\": [{\"paragraphs\": [{\"context\": …, \
     \"qas\": [{\"id\": …, \"question\": …, \"answers\": […], \"orig_answer\": {\"text\": …, \
     \"answer_start\": …}}]}]}]}; fetch train_v0.2.json or val_v0.2.json again";

#[derive(Deserialize)]
struct File {
    data: Vec<Section>,
}

#[derive(Deserialize)]
struct Section {
    paragraphs: Vec<Dialogue>,
}

#[derive(Deserialize)]
struct Dialogue {
    context: String,
    qas: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    id: String,
    question: String,
    answers: Vec<Placed>,
    orig_answer: Placed,
    #[serde(default)]
    followup: Option<String>,
    #[serde(default)]
    yesno: Option<String>,
}

#[derive(Deserialize)]
struct Placed {
    text: String,
    answer_start: i64,
}

/// Whether the text of a JSON file is QuAC's rather than SQuAD's.
pub fn is_quac(text: &str) -> bool {
    text.contains("\"orig_answer\"")
}

/// Hands on the questions of a QuAC file, each as a paragraph of its own.
///
/// `history` turns before a question stand before it: `Q1 A1 Q2 A2 Q3`.
///
/// # Errors
/// When the file cannot be read or is malformed, and those of `emit`.
pub fn read(
    path: &Path,
    history: usize,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = path.display().to_string();
    parse(&read_text(path)?, &file, history, dropped, emit)
}

/// As [`read`], of the text of a file; `file` is the name that errors give it.
///
/// # Errors
/// As [`read`].
pub fn parse(
    text: &str,
    file: &str,
    history: usize,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let parsed: File = serde_json::from_str(text)
        .map_err(|error| json_error(file, text, 0, "id", &error, ADVICE))?;
    let mut seen = HashSet::new();
    for (article, section) in parsed.data.iter().enumerate() {
        for dialogue in &section.paragraphs {
            let passage = CodePoints::new(&dialogue.context);
            for (number, turn) in dialogue.qas.iter().enumerate() {
                let place = format!("article {}, turn {}", article + 1, number + 1);
                let reason = if place::is_empty(&dialogue.context) {
                    Some(Reason::EmptyPassage)
                } else if place::is_empty(&turn.question) {
                    Some(Reason::EmptyQuestion)
                } else if !seen.insert(turn.id.as_str()) {
                    Some(Reason::RepeatedId)
                } else {
                    None
                };
                if let Some(reason) = reason {
                    dropped.question(reason, &turn.id, &place);
                    continue;
                }
                let answers = match answers(turn, &passage, &place, dropped) {
                    Ok(answers) => answers,
                    Err(reason) => {
                        dropped.question(reason, &turn.id, &place);
                        continue;
                    }
                };
                let before = &dialogue.qas[number.saturating_sub(history)..number];
                let question = Question {
                    is_impossible: answers.is_empty(),
                    answers,
                    followup: turn.followup.clone(),
                    id: turn.id.clone(),
                    question: with_history(before, &turn.question),
                    yesno: turn.yesno.clone(),
                };
                emit(Paragraph {
                    context: &dialogue.context,
                    place: &place,
                    qas: vec![question],
                })?;
            }
        }
    }
    Ok(())
}

/// The answers of a turn, none where it counts as unanswerable, or why the turn is left out.
fn answers(
    turn: &Turn,
    passage: &CodePoints<'_>,
    place: &str,
    dropped: &mut Dropped,
) -> Result<Vec<Answer>, Reason> {
    if turn.orig_answer.text == NO_ANSWER {
        for answer in &turn.answers {
            if answer.text != NO_ANSWER {
                dropped.answer(Reason::OtherAnnotators, &turn.id, place);
            }
        }
        return Ok(Vec::new());
    }
    let mut answers = Vec::with_capacity(turn.answers.len() + 1);
    let mut misplaced = None;
    for answer in turn.answers.iter().chain([&turn.orig_answer]) {
        match at_its_place(answer, passage) {
            Ok(answer) => answers.push(answer),
            Err(reason) => {
                dropped.answer(reason, &turn.id, place);
                misplaced = Some(reason);
            }
        }
    }
    match misplaced {
        Some(reason) if answers.is_empty() => Err(reason),
        _ => Ok(answers),
    }
}

fn at_its_place(answer: &Placed, passage: &CodePoints<'_>) -> Result<Answer, Reason> {
    let length = answer.text.chars().count();
    let start = usize::try_from(answer.answer_start).map_err(|_| Reason::NoPlace)?;
    let found = passage.slice(start, length);
    if found.ok_or(Reason::OutsidePassage)? != answer.text || place::is_empty(&answer.text) {
        return Err(Reason::NotAtPlace);
    }
    Ok(Answer {
        answer_start: start,
        text: answer.text.clone(),
    })
}

/// A question after the questions and answers before it, parted by spaces.
fn with_history(before: &[Turn], question: &str) -> String {
    let mut text = String::new();
    for turn in before {
        text += &format!("{} {} ", turn.question, turn.orig_answer.text);
    }
    text + question
}
