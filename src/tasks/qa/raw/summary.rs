//! What a data file is, known when it has been read.

use super::paragraph::Family;
use crate::tasks::qa::error::Error;

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
