//! Data files → questions with their passages and gold answers, all that an analysis looks at.

use std::{collections::HashMap, path::Path};

use crate::tasks::qa::{
    error::Error,
    raw::{
        paragraph::{self, Family},
        question_set::QuestionFile,
    },
    scorers::{
        gold::{GoldQuestion, read_data},
        score::Metric,
    },
};

/// A gold answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldAnswer {
    pub text: String,
    /// Code points before it in the passage, where the file says so.
    pub start: Option<usize>,
}

/// A question as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    pub text: String,
    /// Index into [`QuestionSet::passages`].
    pub passage: usize,
    /// None where the question has no answer in its passage.
    pub answers: Vec<GoldAnswer>,
    /// QuAC's flags.
    pub followup: Option<String>,
    pub yesno: Option<String>,
}

/// The questions of a data file. An id that comes again keeps its first place and takes what
/// comes later, as in the scorers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuestionSet {
    pub passages: Vec<String>,
    pub questions: Vec<Question>,
}

impl QuestionSet {
    /// Reads SQuAD JSON or MRQA JSON lines; the metric is guessed where none is named.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or tells no answer.
    pub fn read(path: &Path, metric: Option<Metric>) -> Result<(Metric, Self), Error> {
        let (metric, questions) = read_data(path, metric)?;
        Ok((metric, Self::from(&questions)))
    }

    /// Ids and texts of the gold answers, as the scorers take them.
    pub fn gold(&self) -> Vec<GoldQuestion> {
        let gold = self.questions.iter().map(|question| GoldQuestion {
            id: question.id.clone(),
            answers: question
                .answers
                .iter()
                .map(|answer| answer.text.clone())
                .collect(),
        });
        gold.collect()
    }
}

impl From<&QuestionFile> for QuestionSet {
    fn from(file: &QuestionFile) -> Self {
        let mut set = Builder::default();
        for paragraph in &file.paragraphs {
            let passage = set.passage(&paragraph.context);
            for question in &paragraph.questions {
                set.question(analysed(question, paragraph.family, passage));
            }
        }
        set.questions
    }
}

#[derive(Default)]
struct Builder {
    questions: QuestionSet,
    places: HashMap<String, usize>,
}

impl Builder {
    fn passage(&mut self, text: &str) -> usize {
        let passages = &mut self.questions.passages;
        // Converted data sets repeat the context for every question.
        if passages.last().map(String::as_str) != Some(text) {
            passages.push(text.to_owned());
        }
        passages.len() - 1
    }

    fn question(&mut self, question: Question) {
        let questions = &mut self.questions.questions;
        let place = *self
            .places
            .entry(question.id.clone())
            .or_insert(questions.len());
        match questions.get_mut(place) {
            Some(earlier) => *earlier = question,
            None => questions.push(question),
        }
    }
}

fn analysed(question: &paragraph::Question, family: Family, passage: usize) -> Question {
    // MRQA's answers have their places apart.
    let detected = |text: &str| {
        let answer = question
            .detected
            .iter()
            .find(|answer| answer.text == text)?;
        Some(answer.char_spans.first()?[0])
    };
    let answers = question.answers.iter().map(|answer| GoldAnswer {
        start: match family {
            Family::Squad => answer.start,
            Family::Mrqa => detected(&answer.text),
        },
        text: answer.text.clone(),
    });
    Question {
        id: question.id.clone(),
        text: question.text.clone(),
        passage,
        answers: answers.collect(),
        followup: question.followup.clone(),
        yesno: question.yesno.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squad_files_keep_passages_answers_and_flags() {
        let text = r#"{"data": [{"paragraphs": [
            {"context": "An oak.", "qas": [
                {"id": "a", "question": "What?", "answers": [{"text": "oak", "answer_start": 3}],
                 "followup": "y", "yesno": "x"},
                {"id": "b", "question": "Who?", "is_impossible": true, "answers": []}]},
            {"context": "An oak.", "qas": [
                {"id": "a", "question": "What now?", "answers": [{"text": "oak"}]}]}]}]}"#;
        let set = QuestionSet::from(&QuestionFile::parse(text, "d.json", None).unwrap());
        assert_eq!(set.passages, ["An oak."]);
        assert_eq!(set.questions.len(), 2);
        // The second "a" has replaced the first.
        assert_eq!(set.questions[0].text, "What now?");
        assert_eq!(set.questions[0].answers[0].start, None);
        assert_eq!(set.questions[0].followup, None);
        assert_eq!(set.gold()[1].answers, [""; 0]);
    }

    #[test]
    fn mrqa_files_give_the_places_of_detected_answers() {
        let text = r#"{"context": "An oak.", "qas": [{"qid": "a", "question": "What?",
            "answers": ["oak", "tree"],
            "detected_answers": [{"text": "oak", "char_spans": [[3, 5]]}]}]}"#
            .replace('\n', "");
        let set = QuestionSet::from(&QuestionFile::parse(text, "d.jsonl", None).unwrap());
        let starts: Vec<_> = set.questions[0].answers.iter().map(|a| a.start).collect();
        assert_eq!(starts, [Some(3), None]);
    }
}
