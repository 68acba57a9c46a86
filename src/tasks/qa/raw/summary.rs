//! What a data file is, known once it has been read.

use super::paragraph::Family;
use crate::tasks::qa::error::Error;

/// The layout of a file's questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Articles of paragraphs.
    Document,
    /// Passages with their questions.
    Passages,
    /// One row per question.
    Rows,
}

/// What a file is, known once it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub family: Family,
    pub form: Form,
    /// The version that the file states: `v2.0`.
    pub version: Option<String>,
    pub articles: usize,
    /// Whether any question has the key `is_impossible`.
    pub flagged: bool,
    /// Whether it is QuAC's own file, whose unanswerable turns have the answer `CANNOTANSWER`.
    pub quac: bool,
    /// The first question whose only answer is nevertheless that word, in a file derived from
    /// QuAC's.
    pub quac_mark: Option<String>,
    /// Rows without an id, which are numbered from 0.
    pub nameless: usize,
    /// Lone surrogates that were replaced by U+FFFD.
    pub surrogates: usize,
}

impl Summary {
    /// Returns whether the file says that it is SQuAD 2.0: `v2.0`, `2.0` or the number.
    pub fn says_two(&self) -> bool {
        let version = self.version.as_deref().unwrap_or_default();
        version.trim_start_matches(['v', 'V']).starts_with('2')
    }

    /// Rejects QuAC's own file, and one derived from it, that marks unanswerable questions by an
    /// answer; the error names `file`.
    ///
    /// # Errors
    /// If it is one.
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
