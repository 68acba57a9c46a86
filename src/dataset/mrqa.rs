//! MRQA: JSON lines, plain or gzip → SQuAD 2.0 questions, a passage after the other.
//!
//! Each detected answer becomes an answer at the first of its places, so that the first one is
//! what MRQA's own reader trains on. Answers that were not detected have no place and are left
//! out, so that scores of the converted file may be lower than MRQA's own.

use std::{collections::HashSet, path::Path};

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    source::Lines,
    squad_writer::{Answer, Paragraph, Question},
};
use crate::data::mrqa::{self, DetectedAnswer, Entry};

/// Hands on the passages of an MRQA file with their questions.
///
/// # Errors
/// When the file cannot be read or unpacked, or a line is malformed, and those of `emit`.
pub fn read(
    path: &Path,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = path.display().to_string();
    let mut lines = Lines::open(path)?;
    let mut seen = HashSet::new();
    while let Some((number, line)) = lines.next_line()? {
        let before = usize::try_from(number - 1).unwrap_or(usize::MAX);
        let Some(entry) = mrqa::parse_line(line, before, &file)? else {
            continue;
        };
        let place = format!("line {number}");
        let qas = questions(&entry, &place, &mut seen, dropped);
        if !qas.is_empty() {
            emit(Paragraph {
                context: &entry.context,
                place: &place,
                qas,
            })?;
        }
    }
    Ok(())
}

/// The questions of a passage that can be kept.
fn questions(
    entry: &Entry,
    place: &str,
    seen: &mut HashSet<String>,
    dropped: &mut Dropped,
) -> Vec<Question> {
    let passage = CodePoints::new(&entry.context);
    let mut kept = Vec::with_capacity(entry.qas.len());
    for question in &entry.qas {
        let id = question.qid.as_str();
        let answers = if place::is_empty(&entry.context) {
            Err(Reason::EmptyPassage)
        } else if place::is_empty(&question.question) {
            Err(Reason::EmptyQuestion)
        } else if !seen.insert(id.to_owned()) {
            Err(Reason::RepeatedId)
        } else {
            answers(question, &passage, place, dropped)
        };
        match answers {
            Ok(answers) => kept.push(Question {
                answers,
                followup: None,
                id: id.to_owned(),
                is_impossible: false,
                question: question.question.clone(),
                yesno: None,
            }),
            Err(reason) => dropped.question(reason, id, place),
        }
    }
    kept
}

/// The answers of a question, at least one, or why there is none.
fn answers(
    question: &mrqa::Question,
    passage: &CodePoints<'_>,
    place: &str,
    dropped: &mut Dropped,
) -> Result<Vec<Answer>, Reason> {
    let id = question.qid.as_str();
    let mut answers: Vec<Answer> = Vec::with_capacity(question.detected_answers.len());
    let mut misplaced = Reason::NoPlace;
    for detected in &question.detected_answers {
        match at_its_place(detected, passage) {
            Ok(answer) => {
                for _ in 1..detected.char_spans.len() {
                    dropped.answer(Reason::FurtherPlace, id, place);
                }
                answers.push(answer);
            }
            Err(reason) => {
                dropped.answer(reason, id, place);
                misplaced = reason;
            }
        }
    }
    for answer in &question.answers {
        let detected = &question.detected_answers;
        if !detected.iter().any(|detected| detected.text == *answer) {
            dropped.answer(Reason::NoPlace, id, place);
        }
    }
    if answers.is_empty() {
        return Err(misplaced);
    }
    Ok(answers)
}

/// A detected answer at the first of its places, in the passage's own letters.
fn at_its_place(detected: &DetectedAnswer, passage: &CodePoints<'_>) -> Result<Answer, Reason> {
    let [first, last] = *detected.char_spans.first().ok_or(Reason::NoPlace)?;
    // The last code point is the answer's own.
    let length = last.checked_sub(first).ok_or(Reason::BadRange)?;
    let length = length.checked_add(1).ok_or(Reason::OutsidePassage)?;
    let text = passage.slice(first, length).ok_or(Reason::OutsidePassage)?;
    if place::is_empty(text) || !place::same_words(text, &detected.text) {
        return Err(Reason::NotAtPlace);
    }
    Ok(Answer {
        answer_start: first,
        text: text.to_owned(),
    })
}
