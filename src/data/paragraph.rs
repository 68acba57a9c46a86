//! A passage and the questions on it, as a data file has them, whatever the file's form.

use std::fmt;

/// Whose questions a file has, which shows in the key of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Squad,
    Mrqa,
}

impl Family {
    /// The key that holds a question's id.
    pub fn id_key(self) -> &'static str {
        match self {
            Family::Squad => "id",
            Family::Mrqa => "qid",
        }
    }
}

/// A passage and questions on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    pub family: Family,
    pub context: String,
    pub questions: Vec<Question>,
    pub place: Place,
}

/// Where a paragraph stands in its file; all count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In SQuAD's JSON.
    Article { article: usize, paragraph: usize },
    /// In a list of passages or of rows.
    Row(usize),
    /// In JSON lines or csv.
    Line(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Article { article, paragraph } => {
                write!(f, "article {article}, paragraph {paragraph}")
            }
            Place::Row(row) => write!(f, "row {row}"),
            Place::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// A question with all that its file says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// MRQA's `qid`, SQuAD's `id`, or a row's number from 0 if it has none.
    pub id: String,
    pub text: String,
    /// Every gold answer; MRQA's have no place of their own.
    pub answers: Vec<Answer>,
    /// Whether the file speaks of answers at all, as a test file does not.
    pub labelled: bool,
    pub is_impossible: bool,
    /// Whether the file says that it is or is not, by the key `is_impossible`.
    pub flagged: bool,
    /// MRQA: the answers that were found in the passage.
    pub detected: Vec<DetectedAnswer>,
    /// QuAC: the answer that the dialogue went on with.
    pub original: Option<Answer>,
    /// QuAC: whether the teacher wants the student to go on asking, `y`, `m` (maybe) or `n`.
    pub followup: Option<String>,
    /// QuAC: whether the answer says yes, `y`, no, `n`, or neither, `x`.
    pub yesno: Option<String>,
}

/// A gold answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// Code points before it in the passage; `None` if the file gives no place or a negative one.
    pub start: Option<usize>,
}

/// An answer that stands in the passage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectedAnswer {
    pub text: String,
    /// `[first, last]` code points, inclusive.
    pub char_spans: Vec<[usize; 2]>,
}

impl Question {
    /// Whether it is one of QuAC's own file, which tells by a word what is unanswerable; a file
    /// with the flag was converted.
    pub fn is_quac(&self) -> bool {
        self.original.is_some() && !self.flagged
    }
}
