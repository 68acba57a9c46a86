//! A batch on the device, as the encoder takes it: packed, without its padding.

use burn::{
    Tensor,
    tensor::{Device, Int, TensorData},
};

use super::packing::Sequences;
use crate::data::batch::Batch;

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
    /// 1 where an answer may start or end, 0 elsewhere: the passage, its closing `[SEP]`, and
    /// position 0, which stands for "no answer"; `[batch, seq]`, `seq` being the longest sequence
    pub answer_mask: Tensor<2>,
    /// Packed row of each place of the padded matrix, `[batch · seq]`, where there is padding.
    padded_rows: Option<Tensor<1, Int>>,
}

impl ModelInput {
    /// Packs a batch whose first row is row `first_place` of the step's whole batch.
    pub fn new(batch: &Batch, first_place: usize, device: &Device) -> Self {
        let lengths = batch.lengths();
        let sequences = Sequences::new(&lengths, first_place);
        let (size, seq, tokens) = (batch.size, sequences.longest(), sequences.tokens());
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
        let mut answer_mask = vec![0.0_f32; size * seq];
        let mut padded_rows = vec![0_i32; size * seq];
        for (row, &length) in lengths.iter().enumerate() {
            let first = sequences.rows(row).start;
            for t in 0..length {
                let segment = batch.segment_ids[row * batch.seq_len + t];
                answer_mask[row * seq + t] = if t == 0 { 1.0 } else { segment as f32 };
                padded_rows[row * seq + t] = (first + t) as i32;
            }
        }
        Self {
            input_ids: packed(&batch.input_ids),
            segment_ids: packed(&batch.segment_ids),
            position_ids: Tensor::from_data(TensorData::new(positions, [tokens]), device),
            answer_mask: Tensor::from_data(TensorData::new(answer_mask, [size, seq]), device),
            padded_rows: (tokens < size * seq)
                .then(|| Tensor::from_data(TensorData::new(padded_rows, [size * seq]), device)),
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
            answer_mask: self.answer_mask.clone().inner(),
            padded_rows: self.padded_rows.clone().map(Tensor::inner),
        }
    }

    /// Packed rows `[tokens, hidden]` → `[batch · seq, hidden]`, as the heads take them.
    ///
    /// Padding repeats the first row: heads mask what they compute there.
    pub fn pad(&self, hidden: Tensor<2>) -> Tensor<2> {
        match &self.padded_rows {
            None => hidden,
            Some(rows) => hidden.select(0, rows.clone()),
        }
    }
}
