//! What a head reads of a batch, or of those of its sequences that belong to one task.

use std::sync::Arc;

use burn::Tensor;

use super::{dropout::Mode, input::ModelInput};
use crate::{kernels::rows::rows, packed::sequences::Sequences};

/// # Shapes
/// `sequences` sequences have together `tokens` tokens, one sequence after the other.
#[derive(Debug, Clone)]
pub struct HeadInput {
    /// Last hidden states, `[tokens, hidden]` in the format of the layers.
    pub hidden: Tensor<2>,
    /// Where the sequences lie in the packed rows.
    pub sequences: Sequences,
    /// Tokens of segment 0 of each sequence, `[sequences]`.
    pub first_segments: Arc<[u32]>,
    /// Whether a head drops values.
    pub mode: Mode,
}

impl HeadInput {
    /// `hidden` `[tokens, hidden]`, to predict
    pub fn new(hidden: Tensor<2>, input: &ModelInput) -> Self {
        Self {
            hidden,
            sequences: input.sequences.clone(),
            first_segments: input.first_segments.clone(),
            mode: Mode::Predict,
        }
    }

    /// The same in another mode.
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The sequences of these numbers, packed by themselves.
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
