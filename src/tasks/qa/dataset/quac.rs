//! QuAC: dialogues about a passage → SQuAD 2.0 questions, each with as many turns of the preceding
//! dialogue as requested.
//!
//! A question is unanswerable if `orig_answer` is `CANNOTANSWER`. Its answers are all those in the
//! file, followed by `orig_answer` again, as in the converter that this follows. Positions are the
//! annotated ones.
//!
//! Files derived from QuAC may lack `orig_answer`. The answers then say the same if either all of
//! them or none are `CANNOTANSWER`.

use std::path::Path;

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    sieve::Sieve,
    squad_writer::{Answer, Paragraph, Question},
};
use crate::tasks::qa::{
    self,
    raw::{
        paragraph::{self, Family, Place, QUAC_NO_ANSWER as NO_ANSWER, ends_as_quac},
        question_reader::QuestionReader,
    },
};

/// Passes on the questions of a QuAC file, each as a paragraph of its own.
///
/// The `history` preceding turns are put before each question: `Q1 A1 Q2 A2 Q3`.
///
/// # Errors
/// If the file cannot be read, is malformed or belongs to another data set, and those of `emit`.
pub fn read(
    path: &Path,
    history: usize,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    read_from(QuestionReader::open(path)?, history, dropped, emit)
}

/// Same as [`read`], for the text of a file; errors name `file`.
///
/// # Errors
/// As for [`read`].
pub fn parse(
    text: &str,
    file: &str,
    history: usize,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let reader = QuestionReader::of_bytes(text.into(), file)?;
    read_from(reader, history, dropped, emit)
}

fn read_from(
    reader: QuestionReader,
    history: usize,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = reader.file().to_owned();
    let mut converter = Converter::new(history);
    reader.paragraphs(Some(Family::Squad), &mut |dialogue| {
        converter.convert(&dialogue, &file, dropped, emit)
    })?;
    Ok(())
}

/// Converts dialogues one at a time.
pub struct Converter {
    history: usize,
    sieve: Sieve,
}

impl Converter {
    pub fn new(history: usize) -> Self {
        Self {
            history,
            sieve: Sieve::default(),
        }
    }

    /// Passes on the turns of a dialogue that can be kept.
    ///
    /// # Errors
    /// If it is unknown whether a turn is answerable, and those of `emit`.
    pub fn convert(
        &mut self,
        dialogue: &paragraph::Paragraph,
        file: &str,
        dropped: &mut Dropped,
        emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let passage = CodePoints::new(&dialogue.context);
        let turns = turns(dialogue, file)?;
        for (number, turn) in turns.iter().enumerate() {
            let place = match dialogue.place {
                Place::Article { article, .. } => format!("article {article}, turn {}", number + 1),
                place => format!("{place}, turn {}", number + 1),
            };
            let kept = match self.sieve.fault(turn.question, &dialogue.context) {
                Some(reason) => Err(reason),
                None => answers(turn, &passage, &place, dropped),
            };
            let answers = match kept {
                Ok(answers) => answers,
                Err(reason) => {
                    dropped.question(reason, &turn.question.id, &place);
                    continue;
                }
            };
            let before = &turns[number.saturating_sub(self.history)..number];
            let question = Question {
                is_impossible: answers.is_empty(),
                question: with_history(before, &turn.question.text),
                ..Question::new(turn.question, answers)
            };
            emit(Paragraph {
                context: &dialogue.context,
                place: &place,
                qas: vec![question],
            })?;
        }
        Ok(())
    }
}

/// A question of a dialogue, with the answer with which the dialogue continued.
struct Turn<'a> {
    question: &'a paragraph::Question,
    original: &'a paragraph::Answer,
}

fn turns<'a>(dialogue: &'a paragraph::Paragraph, file: &str) -> Result<Vec<Turn<'a>>, Error> {
    let turns = dialogue.questions.iter().map(|question| {
        let original = original(question, &dialogue.context);
        let original = original.ok_or_else(|| qa::error::Error::Question {
            file: file.to_owned(),
            question: question.id.clone(),
            expected: "QuAC's \"orig_answer\" and no \"is_impossible\"",
            found: match question.answers.is_empty() || !ends_as_quac(&dialogue.context) {
                true => "another question",
                false => "answers of which some say CANNOTANSWER and others do not",
            },
            advice: "give train_v0.2.json or val_v0.2.json; other files in SQuAD's form are converted by \
                     electra data squad",
        })?;
        Ok(Turn { question, original })
    });
    turns.collect()
}

/// Returns `orig_answer` or, if that key was dropped and the answers agree on whether there is one,
/// the first of them.
fn original<'a>(question: &'a paragraph::Question, context: &str) -> Option<&'a paragraph::Answer> {
    if question.original.is_some() {
        return question.original.as_ref();
    }
    let first = question.answers.first()?;
    let says_none = |answer: &paragraph::Answer| answer.text == NO_ANSWER;
    let mut answers = question.answers.iter();
    let agree = answers.all(|answer| says_none(answer) == says_none(first));
    (agree && ends_as_quac(context)).then_some(first)
}

/// Returns the answers of a turn, none if it counts as unanswerable, or why the turn is left out.
fn answers(
    turn: &Turn<'_>,
    passage: &CodePoints<'_>,
    place: &str,
    dropped: &mut Dropped,
) -> Result<Vec<Answer>, Reason> {
    let (id, given) = (turn.question.id.as_str(), &turn.question.answers);
    if turn.original.text == NO_ANSWER {
        for answer in given {
            if answer.text != NO_ANSWER {
                dropped.answer(Reason::OtherAnnotators, id, place);
            }
        }
        return Ok(Vec::new());
    }
    let mut answers = Vec::with_capacity(given.len() + 1);
    let mut misplaced = None;
    for answer in given.iter().chain(&turn.question.original) {
        match at_its_place(answer, passage) {
            Ok(answer) => answers.push(answer),
            Err(reason) => {
                dropped.answer(reason, id, place);
                misplaced = Some(reason);
            }
        }
    }
    match misplaced {
        // An annotator's "no answer" is not an answer to the question as it was answered.
        Some(reason) if answers.iter().all(|answer| answer.text == NO_ANSWER) => Err(reason),
        _ => Ok(answers),
    }
}

fn at_its_place(answer: &paragraph::Answer, passage: &CodePoints<'_>) -> Result<Answer, Reason> {
    let length = answer.text.chars().count();
    let start = answer.start.ok_or(Reason::NoPlace)?;
    let found = passage.slice(start, length);
    if found.ok_or(Reason::OutsidePassage)? != answer.text || place::is_empty(&answer.text) {
        return Err(Reason::NotAtPlace);
    }
    Ok(Answer {
        answer_start: start,
        text: answer.text.clone(),
    })
}

/// Prepends the previous questions and answers to a question, separated by spaces.
fn with_history(before: &[Turn<'_>], question: &str) -> String {
    let mut text = String::new();
    for turn in before {
        text += &format!("{} {} ", turn.question.text, turn.original.text);
    }
    text + question
}
