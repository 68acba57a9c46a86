//! An example: a text or a pair of texts with its label.

use super::labels::Gold;
use crate::eval::taken::Taken;

/// A text or a pair of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Number of the row in its file, from 0. A header is not counted but rows left out are, so the
    /// numbers have gaps. The swapped pairs of doubled examples are numbered on from the count of
    /// examples, so after a gap two examples may share a number.
    pub eid: u64,
    /// The id in the file, if it has such a column.
    pub id: Option<String>,
    pub text_a: String,
    pub text_b: Option<String>,
    pub gold: Gold,
}

/// The examples of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Examples {
    pub examples: Vec<Example>,
    /// Whether the labels come from the file rather than being placeholders.
    pub labelled: bool,
    pub skipped: Vec<Skipped>,
    /// How many of the file's examples these are, if not all; doubled ones count once.
    pub taken: Option<Taken>,
}

impl Examples {
    /// Wraps one text or pair of texts without a label; `dummy` takes its place.
    pub fn of_one(text_a: &str, text_b: Option<&str>, dummy: Gold) -> Self {
        Self {
            examples: vec![Example {
                eid: 0,
                id: None,
                text_a: text_a.to_owned(),
                text_b: text_b.map(str::to_owned),
                gold: dummy,
            }],
            ..Self::default()
        }
    }
}

/// A row that the reference leaves out, and that is left out here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// From 1.
    pub line: usize,
    /// Number of columns it has.
    pub columns: usize,
}
