//! What a head reads of a batch, or of those of its sequences that belong to one task.

use std::sync::Arc;

use burn::Tensor;

use super::input::ModelInput;
use crate::{kernels::rows::rows, packed::sequences::Sequences};

#[derive(Debug, Clone)]
pub struct HeadInput {
    /// Last hidden states, `[tokens, hidden]` in the format of the layers.
    pub hidden: Tensor<2>,
    /// What is added to each token's logits, `[tokens]`.
    pub mask_terms: Tensor<1>,
    /// Where the sequences lie in the packed rows.
    pub sequences: Sequences,
}

impl HeadInput {
    /// `hidden` `[tokens, hidden]`
    pub fn new(hidden: Tensor<2>, input: &ModelInput) -> Self {
        Self {
            hidden,
            mask_terms: input.mask_terms.clone(),
            sequences: input.sequences.clone(),
        }
    }

    /// The sequences of these numbers, packed by themselves.
    pub fn part(&self, numbers: &[usize]) -> Self {
        let ranges = numbers.iter().map(|&number| self.sequences.rows(number));
        let lengths: Vec<usize> = ranges.clone().map(|range| range.len()).collect();
        let taken: Arc<[u32]> = ranges.flatten().map(|row| row as u32).collect();
        let tokens = taken.len();
        let [whole] = self.mask_terms.dims();
        let mask_terms = self.mask_terms.clone().reshape([whole, 1]);
        Self {
            hidden: rows(self.hidden.clone(), taken.clone()),
            mask_terms: rows(mask_terms, taken).reshape([tokens]),
            sequences: Sequences::new(&lengths, 0),
        }
    }
}
