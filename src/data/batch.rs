//! A batch: features side by side, padded to one length.
//!
//! The features of one or several tasks stay where they are; a batch copies only its rows.
//! Padding is 0 everywhere, as in the reference, and the mask tells it from tokens.

use super::error::Error;
use crate::tasks::qa::feature::Feature;

/// The features of one or several tasks, as one list: the first task's, then the second's, ….
#[derive(Debug, Clone)]
pub struct FeatureSet<'a> {
    tasks: Vec<&'a [Feature]>,
    /// Index of each task's first feature, and at last their number.
    starts: Vec<usize>,
}

impl<'a> FeatureSet<'a> {
    /// One slice of features for each task, in task order.
    pub fn new(tasks: Vec<&'a [Feature]>) -> Self {
        let mut starts = vec![0];
        let mut count = 0;
        for task in &tasks {
            count += task.len();
            starts.push(count);
        }
        FeatureSet { tasks, starts }
    }

    /// Number of features of all tasks.
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The task index and the feature at `index`, or `None` beyond the last.
    pub fn get(&self, index: usize) -> Option<(usize, &'a Feature)> {
        let task = self.starts.partition_point(|&start| start <= index) - 1;
        let feature = self.tasks.get(task)?.get(index - self.starts[task])?;
        Some((task, feature))
    }

    /// Tokens of each feature, without padding, for a
    /// [`BatchPlan`](super::batch_plan::BatchPlan).
    pub fn lengths(&self) -> Vec<usize> {
        let features = self.tasks.iter().flat_map(|task| task.iter());
        features.map(|feature| feature.input_ids.len()).collect()
    }
}

impl<'a> From<&'a [Feature]> for FeatureSet<'a> {
    fn from(features: &'a [Feature]) -> Self {
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
    /// Position of the answer's first token or 0, `[size]`.
    pub start: Vec<i32>,
    /// Position of the answer's last token or 0, `[size]`.
    pub end: Vec<i32>,
    /// 1 for unanswerable examples, else 0, `[size]`.
    pub is_impossible: Vec<f32>,
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
        let rows: Vec<(usize, &Feature)> = features
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
            start: rows.iter().map(|(_, row)| row.start as i32).collect(),
            end: rows.iter().map(|(_, row)| row.end as i32).collect(),
            is_impossible: rows
                .iter()
                .map(|(_, row)| f32::from(u8::from(row.is_impossible)))
                .collect(),
            features: features.to_vec(),
            task: rows.iter().map(|&(task, _)| task).collect(),
        };
        for (number, (_, row)) in rows.into_iter().enumerate() {
            let length = row.input_ids.len();
            if length > seq_len {
                return Err(Error::FeatureTooLong {
                    question: row.qas_id.to_string(),
                    length,
                    pad_to: seq_len,
                });
            }
            let tokens = number * seq_len..number * seq_len + length;
            let window = tokens.start + row.question_length.min(length)..tokens.end;
            for (cell, &id) in batch.input_ids[tokens.clone()]
                .iter_mut()
                .zip(&row.input_ids)
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

    fn feature(length: usize, question_length: usize, is_impossible: bool) -> Feature {
        Feature {
            feature_id: length as u64,
            qas_id: format!("q{length}").into(),
            eid: 0,
            input_ids: (1..=length as u32).collect(),
            question_length,
            start: question_length,
            end: length - 2,
            is_impossible,
            token_to_orig: vec![0; length - question_length - 1],
            max_context: vec![true; length - question_length - 1],
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
        assert_eq!(
            (batch.start.as_slice(), batch.end.as_slice()),
            ([3, 2].as_slice(), [4, 2].as_slice())
        );
        assert_eq!(batch.is_impossible, [1.0, 0.0]);
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
            set.get(2).map(|(task, feature)| (task, feature.feature_id)),
            Some((2, 6))
        );
        assert!(set.get(3).is_none() && FeatureSet::new(vec![]).get(0).is_none());
        let batch = Batch::collate(&set, &[2, 0], None).unwrap();
        assert_eq!(batch.task, [2, 0]);
    }
}
