//! What a feature should be answered with, whatever its task: the seam between the tasks, which
//! make labels and read them, and batches, which carry them.

use std::sync::Arc;

/// One feature's label.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// An answer's first and last token, both 0 where the window does not hold it, and whether the
    /// question has none.
    Span {
        start: u32,
        end: u32,
        impossible: bool,
    },
    /// The number of its class.
    Class(u32),
    /// The value to be predicted.
    Value(f32),
    /// One tag a word: the position of the word's first token and the number of its tag,
    /// `[words]` each. Words that fall upon one token share its position.
    Tags {
        positions: Arc<[u32]>,
        tags: Arc<[u32]>,
    },
}

impl Label {
    /// The label as checksums take it.
    pub fn words(&self) -> Vec<u32> {
        match self {
            Self::Span {
                start,
                end,
                impossible,
            } => vec![*start, *end, (*impossible).into()],
            Self::Class(class) => vec![*class],
            Self::Value(value) => vec![value.to_bits()],
            Self::Tags { positions, tags } => {
                positions.iter().chain(tags.iter()).copied().collect()
            }
        }
    }
}
