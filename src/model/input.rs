//! A batch on the device, as the encoder takes it: packed, without its padding.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Device, Int, TensorData},
};

use crate::{batch::Batch, packed::sequences::Sequences};

#[derive(Debug, Clone)]
pub struct ModelInput {
    /// Token ids of all sequences, one after the other, `[tokens]`.
    pub input_ids: Tensor<1, Int>,
    /// 0 up to and with the first `[SEP]`, then 1; `[tokens]`
    pub segment_ids: Tensor<1, Int>,
    /// Position of each token in its sequence, `[tokens]`.
    pub position_ids: Tensor<1, Int>,
    /// Where the sequences lie in the packed rows.
    pub sequences: Sequences,
    /// Tokens of segment 0 of each sequence, `[sequences]`.
    pub first_segments: Arc<[u32]>,
}

impl ModelInput {
    /// Packs a batch whose first row is row `first_place` of the step's whole batch.
    pub fn new(batch: &Batch, first_place: usize, device: &Device) -> Self {
        let lengths = batch.lengths();
        let sequences = Sequences::new(&lengths, first_place);
        let tokens = sequences.tokens();
        // Places of the packed tokens in the batch's rows.
        let cells: Vec<usize> = lengths
            .iter()
            .enumerate()
            .flat_map(|(row, &length)| (0..length).map(move |t| row * batch.seq_len + t))
            .collect();
        let packed = |values: &[i32]| {
            let values: Vec<i32> = cells.iter().map(|&cell| values[cell]).collect();
            Tensor::from_data(TensorData::new(values, [tokens]), device)
        };
        let positions: Vec<i32> = lengths.iter().flat_map(|&n| 0..n as i32).collect();
        let rows = batch.segment_ids.chunks_exact(batch.seq_len.max(1));
        let first_segments = rows
            .zip(&lengths)
            .map(|(segments, &length)| {
                let first = segments[..length]
                    .iter()
                    .take_while(|&&segment| segment == 0);
                first.count() as u32
            })
            .collect();
        Self {
            input_ids: packed(&batch.input_ids),
            segment_ids: packed(&batch.segment_ids),
            position_ids: Tensor::from_data(TensorData::new(positions, [tokens]), device),
            sequences,
            first_segments,
        }
    }

    /// The same batch outside any autodiff graph.
    pub fn inner(&self) -> Self {
        Self {
            input_ids: self.input_ids.clone().inner(),
            segment_ids: self.segment_ids.clone().inner(),
            position_ids: self.position_ids.clone().inner(),
            sequences: self.sequences.clone(),
            first_segments: self.first_segments.clone(),
        }
    }
}
