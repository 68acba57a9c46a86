//! The target of a feature, whatever its task: the interface between the tasks, which create and
//! read labels, and batches, which carry them.

use std::sync::Arc;

/// The label of one feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// First and last token of the answer, both 0 if it is outside the window, and whether the
    /// question has no answer.
    Span {
        start: u32,
        end: u32,
        impossible: bool,
    },
    /// Index of its class.
    Class(u32),
    /// The value to be predicted.
    Value(f32),
    /// One tag per word: the positions of the words' first tokens and the indices of their tags,
    /// `[words]` each. Words that share a token have the same position.
    Tags {
        positions: Arc<[u32]>,
        tags: Arc<[u32]>,
    },
}

impl Label {
    /// Returns the label as words for checksums.
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
