//! A batch on the device, as the encoder takes it: packed, without its padding.

use burn::{
    Tensor,
    tensor::{Device, Int, TensorData},
};

use crate::{data::batch::Batch, packed::sequences::Sequences};

/// Logits of tokens outside the passage are lowered by this much.
const MASKED: f32 = 1000.0;

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
    /// What is added to each token's logits, `[tokens]`: 0 where an answer may start or end (the
    /// passage, its closing `[SEP]`, and position 0, which stands for "no answer"), −1000
    /// elsewhere.
    ///
    /// The reference's softmax runs over padding too, at logits as low. Beside position 0, whose
    /// logit is not lowered, the exponential of both is exactly 0 in f32.
    pub mask_terms: Tensor<1>,
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
        let mask_terms: Vec<f32> = cells
            .iter()
            .zip(&positions)
            .map(
                |(&cell, &position)| match position == 0 || batch.segment_ids[cell] == 1 {
                    true => 0.0,
                    false => -MASKED,
                },
            )
            .collect();
        Self {
            input_ids: packed(&batch.input_ids),
            segment_ids: packed(&batch.segment_ids),
            position_ids: Tensor::from_data(TensorData::new(positions, [tokens]), device),
            mask_terms: Tensor::from_data(TensorData::new(mask_terms, [tokens]), device),
            sequences,
        }
    }

    /// The same batch outside any autodiff graph.
    pub fn inner(&self) -> Self {
        Self {
            input_ids: self.input_ids.clone().inner(),
            segment_ids: self.segment_ids.clone().inner(),
            position_ids: self.position_ids.clone().inner(),
            sequences: self.sequences.clone(),
            mask_terms: self.mask_terms.clone().inner(),
        }
    }
}
