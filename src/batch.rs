//! A batch: the tokens of several features packed one after the other, without padding.
//!
//! The reference pads each feature to `max_seq_length`; leaving the padding out changes no result.
//! The features of one or several tasks stay where they are; a batch copies only its own rows.

pub mod plan;

use crate::{data::error::Error, tasks::label::Label};

/// What the model reads of a feature, whatever its task.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    /// Token ids, `[length]`.
    pub input_ids: &'a [u32],
    /// Number of leading tokens in segment 0; the rest are in segment 1.
    pub first_segment: usize,
    pub label: Label,
}

/// A task's feature, viewed as a row of a batch.
pub trait AsRow {
    fn as_row(&self) -> Row<'_>;
}

/// The features of one or several tasks as one list, task after task.
#[derive(Debug)]
pub struct FeatureSet<'a> {
    /// Each feature with the index of its task.
    rows: Vec<(usize, Row<'a>)>,
}

impl<'a> FeatureSet<'a> {
    /// Builds the set from one slice of features per task, in task order.
    pub fn new<F: AsRow>(tasks: Vec<&'a [F]>) -> Self {
        let rows = |features: &'a [F]| features.iter().map(AsRow::as_row);
        Self::of_rows(tasks.into_iter().map(rows))
    }

    /// Builds the set from the rows of each task's features, in task order.
    pub fn of_rows(tasks: impl IntoIterator<Item: IntoIterator<Item = Row<'a>>>) -> Self {
        let numbered = tasks.into_iter().enumerate();
        Self {
            rows: numbered
                .flat_map(|(task, rows)| rows.into_iter().map(move |row| (task, row)))
                .collect(),
        }
    }

    /// Returns the same features reordered by index.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn in_order(&self, order: &[usize]) -> Self {
        Self {
            rows: order
                .iter()
                .map(|&index| self.rows[index].clone())
                .collect(),
        }
    }

    /// Returns the number of features over all tasks.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Iterates over the features of all tasks.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        self.rows.iter().map(|(_, row)| row.clone())
    }

    /// Returns the task index and the feature at `index`, or `None` if out of range.
    pub fn get(&self, index: usize) -> Option<(usize, Row<'a>)> {
        self.rows.get(index).cloned()
    }

    /// Returns the token count of each feature, for a [`BatchPlan`](crate::batch::plan::BatchPlan).
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

/// Packed features, as the model takes them.
///
/// # Shapes
/// Together, the `size` features have `tokens` tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Number of features.
    pub size: usize,
    /// Token ids, `[tokens]`.
    pub input_ids: Vec<i32>,
    /// 0 up to and including a feature's first `[SEP]`, then 1; `[tokens]`.
    pub segment_ids: Vec<i32>,
    /// Token count of each feature, `[size]`.
    pub lengths: Vec<usize>,
    /// Number of tokens in segment 0 of each feature, `[size]`.
    pub first_segments: Vec<u32>,
    /// Target of each feature, `[size]`; the encoder alone needs none.
    pub labels: Vec<Label>,
    /// Index of each feature in the feature list, `[size]`.
    pub features: Vec<usize>,
    /// Task index of each feature, `[size]`.
    pub task: Vec<usize>,
}

impl Batch {
    /// Collates these features of the set.
    ///
    /// # Errors
    /// If an index is not in the set.
    pub fn collate(set: &FeatureSet<'_>, features: &[usize]) -> Result<Self, Error> {
        let mut batch = Self::default();
        for &index in features {
            let (task, row) = set.get(index).ok_or_else(|| Error::NoSuchFeature {
                index,
                count: set.len(),
            })?;
            batch.push(index, task, row);
        }
        Ok(batch)
    }

    /// Appends the feature at `index` of the feature list, which belongs to task number `task`.
    pub fn push(&mut self, index: usize, task: usize, row: Row) {
        let length = row.input_ids.len();
        let first = row.first_segment.min(length);
        self.size += 1;
        self.input_ids
            .extend(row.input_ids.iter().map(|&id| id as i32));
        self.segment_ids
            .extend((0..length).map(|place| i32::from(place >= first)));
        self.lengths.push(length);
        self.first_segments.push(first as u32);
        self.labels.push(row.label);
        self.features.push(index);
        self.task.push(task);
    }

    /// Returns the number of tokens.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Feature {
        input_ids: Vec<u32>,
        first_segment: usize,
        impossible: bool,
    }

    impl AsRow for Feature {
        fn as_row(&self) -> Row<'_> {
            Row {
                input_ids: &self.input_ids,
                first_segment: self.first_segment,
                label: label(self.first_segment, self.input_ids.len(), self.impossible),
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
        }
    }

    #[test]
    fn rows_stand_side_by_side_without_padding() {
        let features = [
            feature(4, 2, false),
            feature(6, 3, true),
            feature(9, 3, false),
        ];
        let set = FeatureSet::from(features.as_slice());
        let batch = Batch::collate(&set, &[1, 0]).unwrap();
        assert_eq!((batch.size, batch.lengths.as_slice()), (2, &[6, 4][..]));
        assert_eq!(batch.input_ids, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]);
        assert_eq!(batch.segment_ids, [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]);
        assert_eq!(batch.first_segments, [3, 2]);
        assert_eq!(batch.labels, [label(3, 6, true), label(2, 4, false)]);
        assert_eq!(batch.features, [1, 0]);
        assert_eq!(batch.tokens(), 10);
        let message = Batch::collate(&set, &[3]).unwrap_err().to_string();
        assert!(message.contains("feature 3"), "{message}");
        assert_eq!(Batch::collate(&set, &[]).unwrap().size, 0);
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
        let batch = Batch::collate(&set, &[2, 0]).unwrap();
        assert_eq!(batch.task, [2, 0]);
    }
}
