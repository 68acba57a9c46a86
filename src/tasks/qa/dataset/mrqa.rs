//! MRQA: JSON lines, plain or gzip → SQuAD 2.0 questions, a passage after the other.
//!
//! Each detected answer becomes an answer at the first of its places, so that the first one is
//! what MRQA's own reader trains on. Answers that were not detected have no place and are left
//! out, so that scores of the converted file may be lower than MRQA's own.

use std::collections::HashSet;

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    squad_writer::{Answer, Paragraph, Question},
};
use crate::tasks::qa::raw::paragraph::{self, DetectedAnswer};

/// Converts passages one after the other.
#[derive(Default)]
pub struct Converter {
    seen: HashSet<String>,
}

impl Converter {
    /// Hands on a passage with those of its questions that can be kept.
    ///
    /// # Errors
    /// Those of `emit`.
    pub fn convert(
        &mut self,
        passage: &paragraph::Paragraph,
        dropped: &mut Dropped,
        emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let place = passage.place.to_string();
        let qas = questions(passage, &place, &mut self.seen, dropped);
        if qas.is_empty() {
            return Ok(());
        }
        emit(Paragraph {
            context: &passage.context,
            place: &place,
            qas,
        })
    }
}

/// The questions of a passage that can be kept.
fn questions(
    entry: &paragraph::Paragraph,
    place: &str,
    seen: &mut HashSet<String>,
    dropped: &mut Dropped,
) -> Vec<Question> {
    let passage = CodePoints::new(&entry.context);
    let mut kept = Vec::with_capacity(entry.questions.len());
    for question in &entry.questions {
        let id = question.id.as_str();
        let answers = if place::is_empty(&entry.context) {
            Err(Reason::EmptyPassage)
        } else if place::is_empty(&question.text) {
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
                question: question.text.clone(),
                yesno: None,
            }),
            Err(reason) => dropped.question(reason, id, place),
        }
    }
    kept
}

/// The answers of a question, at least one, or why there is none.
fn answers(
    question: &paragraph::Question,
    passage: &CodePoints<'_>,
    place: &str,
    dropped: &mut Dropped,
) -> Result<Vec<Answer>, Reason> {
    let id = question.id.as_str();
    let mut answers: Vec<Answer> = Vec::with_capacity(question.detected.len());
    let mut misplaced = Reason::NoPlace;
    for detected in &question.detected {
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
        let detected = &question.detected;
        if !detected.iter().any(|detected| detected.text == answer.text) {
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
