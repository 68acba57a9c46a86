//! Examines and converts questions in SQuAD's form, document or rows, one at a time.
//!
//! The reader accepts what the official scorers accept; [`Look`] reports what is nevertheless wrong
//! with such a file, and [`read`] leaves it out.

use std::{collections::HashSet, path::Path};

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    problem::{Kind, Problem},
    sieve::Sieve,
    squad_writer::{Answer, Paragraph, Question},
};
use crate::tasks::qa::raw::{
    paragraph::{self, Family},
    question_reader::QuestionReader,
    summary::{Form, Summary},
};

/// Most characters of a text shown in a problem.
const SHOWN: usize = 40;

/// Examines passages one at a time.
#[derive(Default)]
pub struct Look {
    seen: HashSet<String>,
    /// Number of answers, including those that are not where the file says.
    pub answers: usize,
    /// Whether any question is impossible or has an answer; a test file has neither.
    pub labelled: bool,
    pub any_impossible: bool,
}

impl Look {
    /// Returns `SQuAD 1.1` or `SQuAD 2.0`, according to the file or its questions.
    pub fn name(&self, summary: &Summary) -> &'static str {
        let two = summary.says_two() || self.any_impossible;
        match (summary.form, two) {
            (Form::Document, true) => "SQuAD 2.0",
            (Form::Document, false) => "SQuAD 1.1",
            (Form::Passages, true) => "SQuAD 2.0, passages",
            (Form::Passages, false) => "SQuAD 1.1, passages",
            (Form::Rows, true) => "SQuAD 2.0, rows",
            (Form::Rows, false) => "SQuAD 1.1, rows",
        }
    }

    /// Returns the passage with the answers that are where the file says, and its problems.
    pub fn at<'p>(
        &mut self,
        paragraph: &'p paragraph::Paragraph,
        place: &'p str,
    ) -> (Paragraph<'p>, Vec<Problem>) {
        let passage = CodePoints::new(&paragraph.context);
        let mut problems = Vec::new();
        let mut qas = Vec::with_capacity(paragraph.questions.len());
        for question in &paragraph.questions {
            self.answers += question.answers.len();
            self.labelled |= question.is_impossible || !question.answers.is_empty();
            self.any_impossible |= question.is_impossible;
            let mut found = Findings {
                id: &question.id,
                place,
                problems: &mut problems,
            };
            if !self.seen.insert(question.id.clone()) {
                found.add(Kind::RepeatedId, String::new());
            }
            if place::is_empty(&question.text) {
                found.add(Kind::EmptyQuestion, String::new());
            }
            if place::is_empty(&paragraph.context) {
                found.add(Kind::EmptyPassage, String::new());
            }
            match (question.is_impossible, question.answers.first()) {
                (true, Some(first)) => {
                    found.add(Kind::ImpossibleWithAnswers, shown(&first.text));
                }
                (false, None) => found.add(Kind::AnswerableWithoutAnswers, String::new()),
                _ if question.has_quac_mark(&paragraph.context) => {
                    found.add(Kind::CannotAnswer, String::new());
                }
                _ => {}
            }
            let answers = question.answers.iter();
            let answers = answers.filter_map(|answer| at_its_place(answer, &passage, &mut found));
            qas.push(Question::new(question, answers.collect()));
        }
        let paragraph = Paragraph {
            context: &paragraph.context,
            place,
            qas,
        };
        (paragraph, problems)
    }
}

/// Passes on the passages of a file in SQuAD's form; consecutive rows on one passage are merged.
///
/// # Errors
/// If the file cannot be read, is malformed or belongs to another data set, and those of `emit`.
pub fn read(
    path: &Path,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let reader = QuestionReader::open(path)?;
    let file = reader.file().to_owned();
    let mut sieve = Sieve::default();
    let mut last: Option<Passage> = None;
    let summary =
        reader.paragraphs(Some(Family::Squad), &mut |paragraph| -> Result<(), Error> {
            let place = paragraph.place.to_string();
            let qas = sieve.kept(&paragraph, &place, dropped, |question, passage, dropped| {
                let answers = kept_answers(question, passage, &place, dropped)?;
                Ok(Question::new(question, answers))
            });
            match &mut last {
                Some(last) if last.context == paragraph.context => last.qas.extend(qas),
                _ => {
                    let passage = Passage {
                        context: paragraph.context,
                        place,
                        qas,
                    };
                    if let Some(last) = last.replace(passage) {
                        last.hand_on(emit)?;
                    }
                }
            }
            Ok(())
        })?;
    summary.check_answers(&file)?;
    match last {
        Some(last) => last.hand_on(emit),
        None => Ok(()),
    }
}

/// A passage that waits for more questions on it.
struct Passage {
    context: String,
    place: String,
    qas: Vec<Question>,
}

impl Passage {
    fn hand_on(
        self,
        emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.qas.is_empty() {
            return Ok(());
        }
        emit(Paragraph {
            context: &self.context,
            place: &self.place,
            qas: self.qas,
        })
    }
}

/// Returns the answers of a question in the passage's own spelling, none for an impossible one or
/// in a test file; or why none of its answers can be kept.
fn kept_answers(
    question: &paragraph::Question,
    passage: &CodePoints<'_>,
    place: &str,
    dropped: &mut Dropped,
) -> Result<Vec<Answer>, Reason> {
    let mut answers = Vec::with_capacity(question.answers.len());
    let mut misplaced = None;
    for answer in &question.answers {
        let reason = if question.is_impossible {
            Reason::Impossible
        } else {
            match in_own_letters(answer, passage) {
                Ok(answer) => {
                    answers.push(answer);
                    continue;
                }
                Err(reason) => {
                    misplaced = Some(reason);
                    reason
                }
            }
        };
        dropped.answer(reason, &question.id, place);
    }
    match misplaced {
        Some(reason) if answers.is_empty() => Err(reason),
        _ => Ok(answers),
    }
}

fn in_own_letters(answer: &paragraph::Answer, passage: &CodePoints<'_>) -> Result<Answer, Reason> {
    let start = answer.start.ok_or(Reason::NoPlace)?;
    let found = passage.slice(start, answer.text.chars().count());
    let found = found.ok_or(Reason::OutsidePassage)?;
    if place::is_empty(found) || !place::same_words(found, &answer.text) {
        return Err(Reason::NotAtPlace);
    }
    Ok(Answer {
        answer_start: start,
        text: found.to_owned(),
    })
}

/// The problems of one question.
struct Findings<'a> {
    id: &'a str,
    place: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, kind: Kind, found: String) {
        let problem = Problem::new(kind, self.id, self.place);
        self.problems.push(problem.with_found(found));
    }
}

fn at_its_place(
    answer: &paragraph::Answer,
    passage: &CodePoints<'_>,
    found: &mut Findings<'_>,
) -> Option<Answer> {
    if place::is_empty(&answer.text) {
        found.add(Kind::EmptyAnswer, String::new());
        return None;
    }
    let Some(start) = answer.start else {
        found.add(Kind::NoPlace, shown(&answer.text));
        return None;
    };
    let Some(text) = passage.slice(start, answer.text.chars().count()) else {
        let found_text = format!("{} at {start}", shown(&answer.text));
        found.add(Kind::OutsidePassage, found_text);
        return None;
    };
    if text != answer.text {
        let told = format!("{} at {start}, not {}", shown(text), shown(&answer.text));
        if !place::same_words(text, &answer.text) {
            found.add(Kind::NotAtPlace, told);
            return None;
        }
        found.add(Kind::OtherSpelling, told);
    }
    Some(Answer {
        answer_start: start,
        text: answer.text.clone(),
    })
}

/// Quotes a text, truncated if it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
