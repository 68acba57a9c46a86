//! An example: a text or a pair of texts with its label.

use super::labels::Gold;
use crate::eval::taken::Taken;

/// A text or a pair of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The row's number in its file, from 0; a header is not counted, rows that are left out are,
    /// so that numbers have gaps. The swapped pairs of doubled examples count on from the number
    /// of examples, so that after a gap two examples may have one number.
    pub eid: u64,
    /// What the file calls it, if it has such a column.
    pub id: Option<String>,
    pub text_a: String,
    pub text_b: Option<String>,
    pub gold: Gold,
}

/// The examples of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Examples {
    pub examples: Vec<Example>,
    /// Whether the labels are the file's, rather than stand-ins.
    pub labelled: bool,
    pub skipped: Vec<Skipped>,
    /// How many of the file's examples these are, if not all; doubled ones are counted once.
    pub taken: Option<Taken>,
}

impl Examples {
    /// One text, or one pair of texts, without a label; `dummy` stands in for it.
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
    /// Columns that it has.
    pub columns: usize,
}
