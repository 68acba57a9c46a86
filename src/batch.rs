//! A batch: features side by side, padded to one length.
//!
//! The features of one or several tasks stay where they are; a batch copies only its rows.
//! Padding is 0 everywhere, as in the reference, and the mask tells it from tokens.

pub mod plan;

use crate::{data::error::Error, tasks::label::Label};

/// What the model reads of one feature, whatever its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Token ids, `[length]`.
    pub input_ids: &'a [u32],
    /// Tokens of segment 0, from the first on; the others are of segment 1.
    pub first_segment: usize,
    pub label: Label,
    /// What messages call the feature: the id of its example.
    pub name: &'a str,
}

/// A task's feature, as batches take it.
pub trait AsRow {
    fn as_row(&self) -> Row<'_>;
}

/// The features of one or several tasks, as one list: the first task's, then the second's, ….
#[derive(Debug, Clone)]
pub struct FeatureSet<'a> {
    /// Each feature with its task's number.
    rows: Vec<(usize, Row<'a>)>,
}

impl<'a> FeatureSet<'a> {
    /// One slice of features for each task, in task order.
    pub fn new<F: AsRow>(tasks: Vec<&'a [F]>) -> Self {
        let numbered = tasks.into_iter().enumerate();
        Self {
            rows: numbered
                .flat_map(|(task, features)| {
                    features.iter().map(move |feature| (task, feature.as_row()))
                })
                .collect(),
        }
    }

    /// The rows of each task's features, in task order.
    pub fn of_rows(tasks: impl IntoIterator<Item = Vec<Row<'a>>>) -> Self {
        let numbered = tasks.into_iter().enumerate();
        Self {
            rows: numbered
                .flat_map(|(task, rows)| rows.into_iter().map(move |row| (task, row)))
                .collect(),
        }
    }

    /// Number of features of all tasks.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The features of all tasks.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        self.rows.iter().map(|&(_, row)| row)
    }

    /// The task index and the feature at `index`, or `None` beyond the last.
    pub fn get(&self, index: usize) -> Option<(usize, Row<'a>)> {
        self.rows.get(index).copied()
    }

    /// Tokens of each feature, without padding, for a
    /// [`BatchPlan`](crate::batch::plan::BatchPlan).
    pub fn lengths(&self) -> Vec<usize> {
        self.rows
            .iter()
            .map(|(_, row)| row.input_ids.len())
            .collect()
    }
}

impl<'a, F: AsRow> From<&'a [F]> for FeatureSet<'a> {
    fn from(features: &'a [F]) -> Self {
        FeatureSet::new(vec![features])
    }
}

/// Features as the model takes them. Tensors are row-major, `[size, seq_len]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub size: usize,
    /// Tokens of a row, padding included.
    pub seq_len: usize,
    /// Token ids, `[size, seq_len]`; 0 on padding.
    pub input_ids: Vec<i32>,
    /// 1 on tokens, 0 on padding, `[size, seq_len]`.
    pub input_mask: Vec<i32>,
    /// 0 up to and with the first `[SEP]` and on padding, else 1, `[size, seq_len]`.
    pub segment_ids: Vec<i32>,
    /// What each row should be answered with, `[size]`; the encoder alone needs none.
    pub labels: Vec<Label>,
    /// Index of each row in the feature list, `[size]`.
    pub features: Vec<usize>,
    /// Task of each row, `[size]`.
    pub task: Vec<usize>,
}

impl Batch {
    /// The batch of these features, padded to `pad_to` tokens or, without it, to the longest
    /// of them.
    ///
    /// # Errors
    /// When an index is not in the set, or a feature is longer than `pad_to`.
    pub fn collate(
        set: &FeatureSet<'_>,
        features: &[usize],
        pad_to: Option<usize>,
    ) -> Result<Self, Error> {
        let rows: Vec<(usize, Row)> = features
            .iter()
            .map(|&index| {
                let count = set.len();
                set.get(index).ok_or(Error::NoSuchFeature { index, count })
            })
            .collect::<Result<_, _>>()?;
        let longest = rows.iter().map(|(_, row)| row.input_ids.len()).max();
        let seq_len = pad_to.or(longest).unwrap_or(0);
        let size = rows.len();
        let mut batch = Batch {
            size,
            seq_len,
            input_ids: vec![0; size * seq_len],
            input_mask: vec![0; size * seq_len],
            segment_ids: vec![0; size * seq_len],
            labels: rows.iter().map(|(_, row)| row.label).collect(),
            features: features.to_vec(),
            task: rows.iter().map(|&(task, _)| task).collect(),
        };
        for (number, (_, row)) in rows.into_iter().enumerate() {
            let length = row.input_ids.len();
            if length > seq_len {
                return Err(Error::FeatureTooLong {
                    feature: row.name.to_owned(),
                    length,
                    pad_to: seq_len,
                });
            }
            let tokens = number * seq_len..number * seq_len + length;
            let window = tokens.start + row.first_segment.min(length)..tokens.end;
            for (cell, &id) in batch.input_ids[tokens.clone()]
                .iter_mut()
                .zip(row.input_ids)
            {
                *cell = id as i32;
            }
            batch.input_mask[tokens].fill(1);
            batch.segment_ids[window].fill(1);
        }
        Ok(batch)
    }

    /// Tokens of each row, padding not counted.
    pub fn lengths(&self) -> Vec<usize> {
        let rows = self.input_mask.chunks_exact(self.seq_len.max(1));
        rows.map(|row| row.iter().filter(|&&mask| mask == 1).count())
            .collect()
    }

    /// Number of tokens, padding not counted.
    pub fn tokens(&self) -> usize {
        self.lengths().into_iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Feature {
        input_ids: Vec<u32>,
        first_segment: usize,
        impossible: bool,
        name: String,
    }

    impl AsRow for Feature {
        fn as_row(&self) -> Row<'_> {
            Row {
                input_ids: &self.input_ids,
                first_segment: self.first_segment,
                label: label(self.first_segment, self.input_ids.len(), self.impossible),
                name: &self.name,
            }
        }
    }

    fn label(start: usize, length: usize, impossible: bool) -> Label {
        Label::Span {
            start: start as u32,
            end: length as u32 - 2,
            impossible,
        }
    }

    fn feature(length: usize, first_segment: usize, impossible: bool) -> Feature {
        Feature {
            input_ids: (1..=length as u32).collect(),
            first_segment,
            impossible,
            name: format!("q{length}"),
        }
    }

    #[test]
    fn rows_are_padded_to_the_longest() {
        let features = [
            feature(4, 2, false),
            feature(6, 3, true),
            feature(9, 3, false),
        ];
        let set = FeatureSet::from(features.as_slice());
        let batch = Batch::collate(&set, &[1, 0], None).unwrap();
        assert_eq!((batch.size, batch.seq_len), (2, 6));
        assert_eq!(batch.input_ids, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 0, 0]);
        assert_eq!(batch.input_mask, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert_eq!(batch.segment_ids, [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0]);
        assert_eq!(batch.labels, [label(3, 6, true), label(2, 4, false)]);
        assert_eq!(batch.features, [1, 0]);
        assert_eq!(batch.tokens(), 10);
    }

    #[test]
    fn a_fixed_length_pads_all_and_refuses_longer_ones() {
        let features = [feature(4, 2, false), feature(9, 3, false)];
        let set = FeatureSet::from(features.as_slice());
        let batch = Batch::collate(&set, &[0], Some(8)).unwrap();
        assert_eq!(
            (batch.seq_len, batch.input_ids.len(), batch.tokens()),
            (8, 8, 4)
        );
        let message = Batch::collate(&set, &[1], Some(8)).unwrap_err().to_string();
        assert!(
            message.contains("q9") && message.contains("padded to 8"),
            "{message}"
        );
        let message = Batch::collate(&set, &[2], None).unwrap_err().to_string();
        assert!(message.contains("feature 2"), "{message}");
        assert_eq!(Batch::collate(&set, &[], None).unwrap().size, 0);
    }

    #[test]
    fn tasks_stand_one_after_the_other() {
        let (first, none, last) = (
            [feature(4, 2, false), feature(5, 2, false)],
            [],
            [feature(6, 2, true)],
        );
        let set = FeatureSet::new(vec![&first, &none, &last]);
        assert_eq!((set.len(), set.lengths()), (3, vec![4, 5, 6]));
        assert_eq!(
            set.get(2).map(|(task, row)| (task, row.input_ids.len())),
            Some((2, 6))
        );
        assert!(set.get(3).is_none() && FeatureSet::new::<Feature>(vec![]).get(0).is_none());
        let batch = Batch::collate(&set, &[2, 0], None).unwrap();
        assert_eq!(batch.task, [2, 0]);
    }
}
