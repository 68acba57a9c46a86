//! SQuAD 1.1 and 2.0 JSON, looked at question by question.
//!
//! The reader of [`crate::data::squad`] takes what the official scorers take; this says what in
//! such a file is wrong nevertheless.

use std::collections::HashSet;

use super::{
    place::{self, CodePoints},
    problem::{Kind, Problem},
    squad_writer::{Answer, Paragraph, Question},
};
use crate::data::squad::{self, NO_START, RawAnswer, SquadFile};

/// Characters of a text in a problem.
const SHOWN: usize = 40;

/// `SQuAD 1.1` or `SQuAD 2.0`: what the file says, or what its questions are.
pub fn name(file: &SquadFile) -> &'static str {
    let said = file.version.as_ref().map(ToString::to_string);
    let said_two = said.is_some_and(|version| version.contains("2."));
    let mut questions = questions(file);
    if said_two || questions.any(|question| question.is_impossible) {
        "SQuAD 2.0"
    } else {
        "SQuAD 1.1"
    }
}

/// All questions of a file.
pub fn questions(file: &SquadFile) -> impl Iterator<Item = &squad::Question> {
    let paragraphs = file.data.iter().flat_map(|article| &article.paragraphs);
    paragraphs.flat_map(|paragraph| &paragraph.qas)
}

/// Hands on the paragraphs of a file with the answers that stand at their places, and with what
/// is wrong in them.
pub fn look_at(file: &SquadFile, see: &mut dyn FnMut(Paragraph<'_>, Vec<Problem>)) {
    // A test file tells no answer at all.
    let labelled = questions(file).any(|q| q.is_impossible || !q.answers.is_empty());
    let mut seen = HashSet::new();
    for (article, contents) in file.data.iter().enumerate() {
        for (number, paragraph) in contents.paragraphs.iter().enumerate() {
            let place = format!("article {}, paragraph {}", article + 1, number + 1);
            let passage = CodePoints::new(&paragraph.context);
            let mut problems = Vec::new();
            let mut qas = Vec::with_capacity(paragraph.qas.len());
            for question in &paragraph.qas {
                let mut found = Findings {
                    id: &question.id,
                    place: &place,
                    problems: &mut problems,
                };
                if !seen.insert(question.id.as_str()) {
                    found.add(Kind::RepeatedId, String::new());
                }
                if place::is_empty(&question.question) {
                    found.add(Kind::EmptyQuestion, String::new());
                }
                if place::is_empty(&paragraph.context) {
                    found.add(Kind::EmptyPassage, String::new());
                }
                match (question.is_impossible, question.answers.len()) {
                    (true, 1..) => {
                        let first = shown(&question.answers[0].text);
                        found.add(Kind::ImpossibleWithAnswers, first);
                    }
                    (false, 0) if labelled => {
                        found.add(Kind::AnswerableWithoutAnswers, String::new());
                    }
                    _ => {}
                }
                let answers = question.answers.iter();
                qas.push(Question {
                    answers: answers
                        .filter_map(|answer| at_its_place(answer, &passage, &mut found))
                        .collect(),
                    followup: None,
                    id: question.id.clone(),
                    is_impossible: question.is_impossible,
                    question: question.question.clone(),
                    yesno: None,
                });
            }
            let paragraph = Paragraph {
                context: &paragraph.context,
                place: &place,
                qas,
            };
            see(paragraph, problems);
        }
    }
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
    answer: &RawAnswer,
    passage: &CodePoints<'_>,
    found: &mut Findings<'_>,
) -> Option<Answer> {
    if place::is_empty(&answer.text) {
        found.add(Kind::EmptyAnswer, String::new());
        return None;
    }
    if answer.answer_start == NO_START {
        found.add(Kind::NoPlace, shown(&answer.text));
        return None;
    }
    let start = answer.answer_start;
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

/// A text in quotes, cut where it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
