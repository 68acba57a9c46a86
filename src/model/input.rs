//! A batch on the device, as the encoder takes it.

use burn::{
    Tensor,
    tensor::{Device, Int, TensorData},
};

use crate::data::batch::Batch;

#[derive(Debug, Clone)]
pub struct ModelInput {
    /// `[batch, seq]`
    pub input_ids: Tensor<2, Int>,
    /// 0 up to and with the first `[SEP]`, then 1; `[batch, seq]`
    pub segment_ids: Tensor<2, Int>,
    /// 1 on real tokens, 0 on padding; `[batch, seq]`
    pub input_mask: Tensor<2>,
    /// 1 where an answer may start or end, 0 elsewhere: the passage, its closing `[SEP]`, and
    /// position 0, which stands for "no answer"; `[batch, seq]`
    pub answer_mask: Tensor<2>,
}

impl ModelInput {
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let shape = [batch.size, batch.seq_len];
        let answer_mask: Vec<f32> = batch
            .input_mask
            .iter()
            .zip(&batch.segment_ids)
            .enumerate()
            .map(|(place, (&mask, &segment))| {
                if place % batch.seq_len == 0 {
                    1.0
                } else {
                    (mask * segment) as f32
                }
            })
            .collect();
        let input_mask: Vec<f32> = batch.input_mask.iter().map(|&m| m as f32).collect();
        Self {
            input_ids: Tensor::from_data(TensorData::new(batch.input_ids.clone(), shape), device),
            segment_ids: Tensor::from_data(
                TensorData::new(batch.segment_ids.clone(), shape),
                device,
            ),
            input_mask: Tensor::from_data(TensorData::new(input_mask, shape), device),
            answer_mask: Tensor::from_data(TensorData::new(answer_mask, shape), device),
        }
    }
}
