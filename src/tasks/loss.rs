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

/// The mean of the losses that there are; `None` if there is none.
pub fn mean_loss(losses: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let losses = losses.into_iter().flatten();
    let (sum, count) = losses.fold((0.0, 0_usize), |(sum, count), loss| (sum + loss, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_of_the_losses_that_there_are() {
        assert_eq!(mean_loss([None, Some(1.0), Some(4.0)]), Some(2.5));
        assert_eq!(mean_loss([None, None]), None);
    }
}
