//! An input as the rows that a model reads: one, or several for a long text.

use std::ops::Range;

use super::{
    classification::ask::FeaturizedText, qa::ask::FeaturizedQuestions,
    tagging::ask::FeaturizedWords,
};
use crate::batch::{AsRow, Row};

/// A tokenised input.
#[derive(Debug, Clone)]
pub enum Featurized {
    Questions(FeaturizedQuestions),
    Text(FeaturizedText),
    Words(FeaturizedWords),
}

impl Featurized {
    /// Returns the number of rows that the model reads.
    pub fn row_count(&self) -> usize {
        match self {
            Self::Questions(asked) => asked.features.len(),
            Self::Text(_) => 1,
            Self::Words(asked) => asked.features.len(),
        }
    }

    /// Returns a row, or `None` if the index is out of range.
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        match self {
            Self::Questions(asked) => asked.features.get(index).map(AsRow::as_row),
            Self::Text(asked) => (index == 0).then(|| asked.feature.as_row()),
            Self::Words(asked) => {
                let feature = asked.features.get(index)?;
                Some(feature.row(asked.segment))
            }
        }
    }

    /// Iterates over the rows of a range, ignoring indices out of range.
    pub fn rows(&self, range: Range<usize>) -> impl Iterator<Item = Row<'_>> {
        range.map_while(|index| self.row(index))
    }

    /// Returns the number of tokens that the model reads; those in several rows count several
    /// times.
    pub fn tokens(&self) -> usize {
        let rows = self.rows(0..self.row_count());
        rows.map(|row| row.input_ids.len()).sum()
    }

    /// Returns warnings about the text, to be shown before it is answered: tokens unknown to the
    /// vocabulary, whose `[UNK]` has this id, and tokens that are cut off.
    pub fn warnings(&self, unk_id: u32) -> Vec<String> {
        match self {
            Self::Questions(asked) => asked.token_counts(unk_id).warning().into_iter().collect(),
            Self::Text(asked) => asked.warnings(unk_id),
            Self::Words(asked) => asked.warnings(unk_id),
        }
    }
}
