//! A data file's questions, read once, whatever the file's form; examples, gold answers, analyses
//! and checks are views of them.
//!
//! [`QuestionReader`] knows the forms and passes on a file's paragraphs one at a time;
//! [`QuestionSet`] stores them.

use std::path::Path;

use super::{
    paragraph::{Family, Paragraph, Question},
    question_reader::QuestionReader,
    summary::Summary,
};
use crate::{eval::taken::Taken, tasks::qa::error::Error};

/// All questions of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionSet {
    /// The file's name in errors.
    pub file: String,
    pub summary: Summary,
    pub paragraphs: Vec<Paragraph>,
}

impl QuestionSet {
    /// Reads a file of this family, or of the one that its first question reveals.
    ///
    /// # Errors
    /// If the file cannot be read, is malformed, or is of another family or data set.
    pub fn read(path: &Path, family: Option<Family>) -> Result<Self, Error> {
        Self::collect(QuestionReader::open(path)?, family)
    }

    /// Same as [`QuestionSet::read`], for a file's bytes.
    ///
    /// # Errors
    /// As for [`QuestionSet::read`].
    pub fn parse(
        bytes: impl Into<Vec<u8>>,
        file: &str,
        family: Option<Family>,
    ) -> Result<Self, Error> {
        Self::collect(QuestionReader::of_bytes(bytes.into(), file)?, family)
    }

    fn collect(reader: QuestionReader, family: Option<Family>) -> Result<Self, Error> {
        let file = reader.file().to_owned();
        let mut paragraphs = Vec::new();
        let summary = reader.paragraphs(family, &mut |paragraph| -> Result<(), Error> {
            paragraphs.push(paragraph);
            Ok(())
        })?;
        Ok(Self {
            file,
            summary,
            paragraphs,
        })
    }

    /// Keeps only the first questions; returns `None` if those are all.
    pub fn keep_first(&mut self, most: Option<usize>) -> Option<Taken> {
        let taken = Taken::new(most, self.questions().count())?;
        let mut left = taken.first;
        for paragraph in &mut self.paragraphs {
            paragraph.questions.truncate(left);
            left -= paragraph.questions.len();
        }
        self.paragraphs
            .retain(|paragraph| !paragraph.questions.is_empty());
        Some(taken)
    }

    /// Iterates over all questions in order.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.paragraphs.iter().flat_map(|p| &p.questions)
    }

    /// Rejects a file whose answers are not what they seem.
    ///
    /// # Errors
    /// As for [`Summary::check_answers`].
    pub fn check_answers(&self) -> Result<(), Error> {
        self.summary.check_answers(&self.file)
    }
}

#[cfg(test)]
mod tests;
