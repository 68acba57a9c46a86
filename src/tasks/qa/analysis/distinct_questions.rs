//! The questions of a data file as seen by scripts that collect answers in a dict: each id once, at
//! its first position, with its last content.

use std::{collections::HashMap, sync::Arc};

use crate::tasks::qa::{
    raw::{
        paragraph::{Paragraph, Question},
        question_set::QuestionSet,
    },
    scorers::gold::GoldQuestion,
};

/// A view of a file's questions.
#[derive(Debug, Clone)]
pub struct DistinctQuestions {
    questions: Arc<QuestionSet>,
    /// Index of the paragraph, and of the question within it.
    places: Vec<(usize, usize)>,
}

impl DistinctQuestions {
    pub fn new(questions: Arc<QuestionSet>) -> Self {
        let mut places: Vec<(usize, usize)> = Vec::new();
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (paragraph, Paragraph { questions, .. }) in questions.paragraphs.iter().enumerate() {
            for (place, question) in questions.iter().enumerate() {
                let index = *by_id.entry(&question.id).or_insert(places.len());
                match places.get_mut(index) {
                    Some(earlier) => *earlier = (paragraph, place),
                    None => places.push((paragraph, place)),
                }
            }
        }
        Self { questions, places }
    }

    /// Returns question number `index`, from 0.
    pub fn question(&self, index: usize) -> &Question {
        let (_, question) = self.places[index];
        &self.paragraph(index).questions[question]
    }

    /// Returns the passage of the question, with all questions on it.
    pub fn paragraph(&self, index: usize) -> &Paragraph {
        let (paragraph, _) = self.places[index];
        &self.questions.paragraphs[paragraph]
    }

    /// Iterates over all questions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Question> {
        (0..self.places.len()).map(|index| self.question(index))
    }

    /// Returns ids and texts of the gold answers, as the scorers take them.
    pub fn gold(&self) -> Vec<GoldQuestion> {
        self.iter().map(GoldQuestion::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::qa::raw::paragraph::Family;

    fn distinct(text: &str, file: &str) -> DistinctQuestions {
        DistinctQuestions::new(Arc::new(QuestionSet::parse(text, file, None).unwrap()))
    }

    #[test]
    fn squad_files_keep_passages_answers_and_flags() {
        let text = r#"{"data": [{"paragraphs": [
            {"context": "An oak.", "qas": [
                {"id": "a", "question": "What?", "answers": [{"text": "oak", "answer_start": 3}],
                 "followup": "y", "yesno": "x"},
                {"id": "b", "question": "Who?", "is_impossible": true, "answers": []}]},
            {"context": "An oak.", "qas": [
                {"id": "a", "question": "What now?", "answers": [{"text": "oak"}]}]}]}]}"#;
        let set = distinct(text, "d.json");
        assert_eq!(set.paragraph(1).context, "An oak.");
        assert_eq!(set.iter().count(), 2);
        // The second "a" has replaced the first.
        assert_eq!(set.question(0).text, "What now?");
        assert_eq!(set.question(0).placed_answers(Family::Squad)[0].start, None);
        assert_eq!(set.question(0).followup, None);
        assert_eq!(set.gold()[1].answers, [""; 0]);
    }

    #[test]
    fn mrqa_files_give_the_places_of_detected_answers() {
        let text = r#"{"context": "An oak.", "qas": [{"qid": "a", "question": "What?",
            "answers": ["oak", "tree"],
            "detected_answers": [{"text": "oak", "char_spans": [[3, 5]]}]}]}"#
            .replace('\n', "");
        let set = distinct(&text, "d.jsonl");
        let answers = set.question(0).placed_answers(set.paragraph(0).family);
        let starts: Vec<_> = answers.iter().map(|a| a.start).collect();
        assert_eq!(starts, [Some(3), None]);
    }
}
