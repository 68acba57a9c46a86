//! The loss of a prediction, as a metric: in f64, from outputs in f32.
//!
//! It equals the training loss of one example in the reference's
//! `finetune/classification/classification_tasks.py`, which is computed in f32.

/// Returns the softmax cross-entropy, ln Σ exp(logits) − the target class's logit, in nats.
///
/// # Panics
/// If the class has no logit.
pub fn cross_entropy(logits: &[f32], class: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = f64::from(max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| (f64::from(logit) - max).exp())
        .sum();
    sum.ln() + (max - f64::from(logits[class as usize]))
}

/// Same as [`cross_entropy`], with label smoothing: all classes share `smoothing`, as in
/// [`tasks::loss`](crate::tasks::loss::cross_entropy).
///
/// # Panics
/// If the class has no logit.
pub fn smoothed_cross_entropy(logits: &[f32], class: u32, smoothing: f64) -> f64 {
    let sum: f64 = logits.iter().copied().map(f64::from).sum();
    let mean = sum / logits.len() as f64;
    cross_entropy(logits, class) + smoothing * (f64::from(logits[class as usize]) - mean)
}

/// Returns (value − target)², without a factor of one half.
pub fn squared_error(value: f32, target: f32) -> f64 {
    let difference = f64::from(value) - f64::from(target);
    difference * difference
}

/// Returns the probability of each class; the logits must be finite.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = f64::from(max);
    let powers = logits.iter().map(|&logit| (f64::from(logit) - max).exp());
    let powers: Vec<f64> = powers.collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_those_of_the_reference() {
        // From the reference's record of an evaluation, in f32.
        let loss = cross_entropy(&[-0.490_232_5, -0.648_295_2, -2.705_537], 0);
        assert!((loss - 0.674_431_383_609_771_7).abs() < 1e-6, "{loss}");
        let loss = squared_error(-0.422_950_57, 0.266_6);
        assert!((loss - 0.475_479_990_243_911_7).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn a_smoothed_label_is_one_of_all_classes() {
        let logits = [1.0, -0.5, 2.0];
        let of = |class| cross_entropy(&logits, class);
        let expected = 0.7 * of(1) + 0.1 * (of(0) + of(1) + of(2));
        let found = smoothed_cross_entropy(&logits, 1, 0.3);
        assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        assert_eq!(smoothed_cross_entropy(&logits, 1, 0.0), of(1));
    }

    #[test]
    fn great_logits_do_not_overflow() {
        assert_eq!(cross_entropy(&[1e30, 0.0], 0), 0.0);
        assert_eq!(cross_entropy(&[3e38, -3e38], 1), f64::from(3e38_f32) * 2.0);
        let probabilities = softmax(&[1000.0, 1000.0]);
        assert_eq!(probabilities, [0.5, 0.5]);
    }
}
