//! What is asked, as the rows that a model reads: one, or several of a long text.

use std::ops::Range;

use super::{
    classification::ask::FeaturizedText, qa::ask::FeaturizedQuestions,
    tagging::ask::FeaturizedWords,
};
use crate::batch::{AsRow, Row};

/// What is asked, tokenised.
#[derive(Debug, Clone)]
pub enum Featurized {
    Questions(FeaturizedQuestions),
    Text(FeaturizedText),
    Words(FeaturizedWords),
}

impl Featurized {
    /// How many rows the model reads.
    pub fn row_count(&self) -> usize {
        match self {
            Self::Questions(asked) => asked.features.len(),
            Self::Text(_) => 1,
            Self::Words(asked) => asked.features.len(),
        }
    }

    /// A row, if there are so many.
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

    /// The rows of a range; those beyond the last are passed over.
    pub fn rows(&self, range: Range<usize>) -> impl Iterator<Item = Row<'_>> {
        range.map_while(|index| self.row(index))
    }

    /// How many tokens the model reads, those in several rows as often.
    pub fn tokens(&self) -> usize {
        let rows = self.rows(0..self.row_count());
        rows.map(|row| row.input_ids.len()).sum()
    }

    /// What is to be said of the text before it is answered: tokens that the vocabulary, whose `[UNK]`
    /// has this id, does not know, and those that are cut off.
    pub fn warnings(&self, unk_id: u32) -> Vec<String> {
        match self {
            Self::Questions(asked) => asked.token_counts(unk_id).warning().into_iter().collect(),
            Self::Text(asked) => asked.warnings(unk_id),
            Self::Words(asked) => asked.warnings(unk_id),
        }
    }
}
