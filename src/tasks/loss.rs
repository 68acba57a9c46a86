//! The loss that several kinds of task share.

use burn::{Tensor, tensor::TensorData};

use crate::{
    kernels::span_loss::{TargetRows, span_loss},
    packed::sequences::Sequences,
};

/// Returns the softmax cross-entropy of each row of `logits` `[rows, classes]` in f32 with its
/// class in `targets` `[rows]`: `−Σ q · log softmax(logits)`, `[rows]`. Every class has a share of
/// `smoothing / classes` in q, plus `1 − smoothing` for the target, as in
/// `torch.nn.CrossEntropyLoss`.
///
/// # Panics
/// If a target is not below `classes`.
pub fn cross_entropy(logits: Tensor<2>, targets: &[u32], smoothing: f64) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    let of_rows = TargetRows::new(&Sequences::new(&vec![classes; rows], 0), targets);
    let loss = span_loss(logits.clone().reshape([rows * classes]), of_rows);
    if smoothing == 0.0 {
        return loss;
    }
    // Correction for smoothing, which moves weight from the target to all classes: smoothing ·
    // (target logit − mean logit).
    let share = smoothing / classes as f64;
    let mut weights = vec![-share as f32; rows * classes];
    for (row, &target) in targets.iter().enumerate() {
        weights[row * classes + target as usize] = (smoothing - share) as f32;
    }
    let weights = Tensor::from_data(TensorData::new(weights, [rows, classes]), &logits.device());
    loss + (logits * weights).sum_dim(1).reshape([rows])
}

/// Returns the mean of the losses that are present; `None` if none is.
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
