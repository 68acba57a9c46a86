//! A data file's questions, read once, whatever the file's form; examples, gold answers, analyses
//! and checks are views of them.
//!
//! [`QuestionReader`] knows the forms and hands on a file's paragraphs one by one; [`QuestionFile`]
//! keeps them.

use std::path::Path;

use super::{
    paragraph::{Family, Paragraph, Question},
    question_reader::QuestionReader,
};
use crate::data::error::Error;

/// How a file's questions are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Articles of paragraphs.
    Document,
    /// Passages with their questions.
    Passages,
    /// A row for each question.
    Rows,
}

/// What a file is, known when it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub family: Family,
    pub form: Form,
    /// What the file says of itself: `v2.0`.
    pub version: Option<String>,
    pub articles: usize,
    /// Whether any question has the key `is_impossible`.
    pub flagged: bool,
    /// Whether it is QuAC's own file, whose unanswerable turns have the answer `CANNOTANSWER`.
    pub quac: bool,
    /// The first question of a file made of QuAC's whose only answer is that word all the same.
    pub quac_mark: Option<String>,
    /// Rows without an id, which are numbered from 0.
    pub nameless: usize,
    /// Halves of surrogate pairs that U+FFFD stands for now.
    pub surrogates: usize,
}

impl Summary {
    /// Whether the file says that it is SQuAD 2.0: `v2.0`, `2.0` or the number.
    pub fn says_two(&self) -> bool {
        let version = self.version.as_deref().unwrap_or_default();
        version.trim_start_matches(['v', 'V']).starts_with('2')
    }

    /// Refuses QuAC's own file, and one made of it, that tells by an answer what is unanswerable;
    /// `file` is the name that the error gives it.
    ///
    /// # Errors
    /// When it is one.
    pub fn check_answers(&self, file: &str) -> Result<(), Error> {
        let found = match &self.quac_mark {
            _ if self.quac => {
                "QuAC's own file, whose unanswerable questions have the answer CANNOTANSWER"
                    .to_owned()
            }
            Some(id) => format!(
                "QuAC's questions, of which the unanswerable have the answer CANNOTANSWER (question {id})"
            ),
            None => return Ok(()),
        };
        Err(Error::OtherDataSet {
            file: file.to_owned(),
            found,
            command: "quac",
        })
    }
}

/// All questions of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionFile {
    /// The name that errors give it.
    pub file: String,
    pub summary: Summary,
    pub paragraphs: Vec<Paragraph>,
}

impl QuestionFile {
    /// Reads a file of the family, or of the one that its first question tells.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or is of another family or data set.
    pub fn read(path: &Path, family: Option<Family>) -> Result<Self, Error> {
        Self::collect(QuestionReader::open(path)?, family)
    }

    /// As [`QuestionFile::read`], of a file's bytes.
    ///
    /// # Errors
    /// As [`QuestionFile::read`].
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

    /// All questions in order.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.paragraphs.iter().flat_map(|p| &p.questions)
    }

    /// Refuses a file whose answers are not what they seem.
    ///
    /// # Errors
    /// As [`Summary::check_answers`].
    pub fn check_answers(&self) -> Result<(), Error> {
        self.summary.check_answers(&self.file)
    }
}

#[cfg(test)]
mod tests;
