//! What a head reads of a batch, or of those of its sequences that belong to one task.

use std::sync::Arc;

use burn::Tensor;

use super::{dropout::Mode, input::ModelInput};
use crate::{kernels::rows::rows, packed::sequences::Sequences};

/// Packed hidden states of a head's sequences.
///
/// # Shapes
/// Together, the `sequences` sequences have `tokens` tokens, one sequence after the other.
#[derive(Debug, Clone)]
pub struct HeadInput {
    /// Last hidden states, `[tokens, hidden]` in the format of the layers.
    pub hidden: Tensor<2>,
    /// Where the sequences are in the packed rows.
    pub sequences: Sequences,
    /// Number of tokens in segment 0 of each sequence, `[sequences]`.
    pub first_segments: Arc<[u32]>,
    /// Whether a head applies dropout.
    pub mode: Mode,
}

impl HeadInput {
    /// Creates the input for a prediction; `hidden` is `[tokens, hidden]`.
    pub fn new(hidden: Tensor<2>, input: &ModelInput) -> Self {
        Self {
            hidden,
            sequences: input.sequences.clone(),
            first_segments: input.first_segments.clone(),
            mode: Mode::Predict,
        }
    }

    /// Returns the same input in another mode.
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Returns the sequences with these indices, packed by themselves.
    pub fn part(&self, numbers: &[usize]) -> Self {
        let ranges = numbers.iter().map(|&number| self.sequences.rows(number));
        let taken: Arc<[u32]> = ranges.flatten().map(|row| row as u32).collect();
        Self {
            hidden: rows(self.hidden.clone(), taken),
            sequences: self.sequences.part(numbers),
            first_segments: numbers
                .iter()
                .map(|&number| self.first_segments[number])
                .collect(),
            mode: self.mode,
        }
    }
}
