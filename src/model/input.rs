//! A batch on the device, as the encoder takes it.

use std::sync::Arc;

use burn::tensor::Device;

use crate::{batch::Batch, kernels::lookup::Ids, packed::sequences::Sequences};

/// A batch's ids on the device, without autodiff.
///
/// # Shapes
/// Together, the `sequences` sequences have `tokens` tokens, one sequence after the other.
#[derive(Debug, Clone)]
pub struct ModelInput {
    /// Token ids, `[tokens]`.
    pub input_ids: Ids,
    /// 0 up to and including a sequence's first `[SEP]`, then 1; `[tokens]`.
    pub segment_ids: Ids,
    /// Position of each token in its sequence, `[tokens]`.
    pub position_ids: Ids,
    /// Rows of each sequence.
    pub sequences: Sequences,
    /// Number of tokens in segment 0 of each sequence, `[sequences]`.
    pub first_segments: Arc<[u32]>,
}

impl ModelInput {
    /// Uploads a batch whose first feature is number `first_place` of the step's whole batch.
    pub fn new(batch: &Batch, first_place: usize, device: &Device) -> Self {
        let device = &device.clone().without_autodiff();
        let input_ids = batch.input_ids.iter().map(|&id| id as u32).collect();
        let positions = batch.lengths.iter().flat_map(|&n| 0..n as u32).collect();
        let segments = batch.segment_ids.iter().map(|&id| id as u32).collect();
        Self {
            input_ids: Ids::new(input_ids, device),
            segment_ids: Ids::new(segments, device),
            position_ids: Ids::new(positions, device),
            sequences: Sequences::new(&batch.lengths, first_place),
            first_segments: batch.first_segments.as_slice().into(),
        }
    }
}
