//! The loss that several kinds of task share.

use burn::Tensor;

use crate::{
    kernels::span_loss::{TargetRows, span_loss},
    packed::sequences::Sequences,
};

/// Softmax cross-entropy of each row of `logits` `[rows, classes]` in f32 with its class in
/// `targets` `[rows]`: `−log softmax(logits)[target]`, `[rows]`.
///
/// # Panics
/// If a target is not below `classes`.
pub fn cross_entropy(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    let targets = TargetRows::new(&Sequences::new(&vec![classes; rows], 0), targets);
    span_loss(logits.reshape([rows * classes]), targets)
}
