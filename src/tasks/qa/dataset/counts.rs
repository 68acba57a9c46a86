//! Counts the contents of a SQuAD 2.0 file.

use serde::Serialize;

use super::squad_writer::Paragraph;

/// The counts so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Passages; one repeated for consecutive questions is counted once.
    pub passages: usize,
    pub questions: usize,
    pub answerable: usize,
    pub impossible: usize,
    pub answers: usize,
    /// The passage counted last.
    #[serde(skip)]
    passage: Option<String>,
}

impl Counts {
    pub fn add(&mut self, paragraph: &Paragraph<'_>) {
        if self.passage.as_deref() != Some(paragraph.context) {
            self.passages += 1;
            self.passage = Some(paragraph.context.to_owned());
        }
        for question in &paragraph.qas {
            self.questions += 1;
            self.answerable += usize::from(!question.is_impossible);
            self.impossible += usize::from(question.is_impossible);
            self.answers += question.answers.len();
        }
    }
}
