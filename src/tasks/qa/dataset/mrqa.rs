//! MRQA: JSON Lines, plain or gzip → SQuAD 2.0 questions, passage by passage.
//!
//! Each detected answer becomes an answer at its first position, so that the first one is what
//! MRQA's own reader trains on. Answers that were not detected have no position and are left out,
//! so scores on the converted file may be lower than MRQA's own.

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    sieve::Sieve,
    squad_writer::{Answer, Paragraph, Question},
};
use crate::tasks::qa::raw::paragraph::{self, DetectedAnswer};

/// Converts passages one at a time.
#[derive(Default)]
pub struct Converter {
    sieve: Sieve,
}

impl Converter {
    /// Passes on a passage with the questions that can be kept.
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
        let sieve = &mut self.sieve;
        let qas = sieve.kept(passage, &place, dropped, |question, passage, dropped| {
            Ok(Question {
                followup: None,
                is_impossible: false,
                yesno: None,
                ..Question::new(question, answers(question, passage, &place, dropped)?)
            })
        });
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

/// Returns the answers of a question, at least one, or why there is none.
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

/// Returns a detected answer at its first position, in the passage's own spelling.
fn at_its_place(detected: &DetectedAnswer, passage: &CodePoints<'_>) -> Result<Answer, Reason> {
    let [first, last] = *detected.char_spans.first().ok_or(Reason::NoPlace)?;
    // The last code point is inclusive.
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
