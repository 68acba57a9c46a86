//! Prediction: the best starts of each window, and the best ends given each of them.
//!
//! Reproduces the reference's beam (`tf.nn.top_k` of log-softmax values, ties to the lower
//! position). The device computes logits; the host selects. The reference also considers padding,
//! whose logits are lower by 1000: it adds nothing to a softmax, ranks after every token of the
//! passage, and is never part of an answer. So windows with fewer tokens than the beam is wide have
//! fewer starts and ends here, but the same answers.

use burn::Tensor;
use rayon::prelude::*;

use super::{dev_target::DevTarget, span_head::passage_mask};
use crate::{
    device::DeviceError,
    model::input::ModelInput,
    packed::sequences::Sequences,
    tasks::{head::Head, model::Model},
};

/// The model's output for one window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WindowOutput {
    /// Index of the window in the feature list.
    pub feature: usize,
    /// Log-probabilities of the best starts, `[beam]`, descending; `beam` is at most `tokens`.
    pub start_top_log_probs: Vec<f32>,
    /// Their token positions, `[beam]`.
    pub start_top_index: Vec<u32>,
    /// For each start, the log-probabilities of its best ends, `[beam · beam]`, row-major.
    pub end_top_log_probs: Vec<f32>,
    /// Their token positions, `[beam · beam]`.
    pub end_top_index: Vec<u32>,
    /// Start logit of each token, `[tokens]`.
    pub start_logits: Vec<f32>,
    /// End logit of each token, `[tokens]`; with joint prediction, given the best start.
    pub end_logits: Vec<f32>,
    /// The answerability classifier's logit, higher if no answer is more likely; 0 without it.
    pub answerable_logit: f32,
}

/// Predicts a batch, one result per sequence. `head` is the task's index in the task list,
/// `features` each sequence's index in the feature list.
///
/// # Panics
/// If the head belongs to another kind of task.
pub fn predict(
    model: &Model,
    head: usize,
    input: &ModelInput,
    features: &[usize],
    beam_size: usize,
) -> Result<Vec<WindowOutput>, DeviceError> {
    let outputs = predict_with_losses(model, head, input, features, beam_size, &[])?;
    Ok(outputs.into_iter().map(|(output, _)| output).collect())
}

/// Same as [`predict`], and also returns the loss of each window that has a target; `targets` has
/// one entry per sequence, or is empty. The only additional computation is the end logits given the
/// correct start, which run along with those given the best starts.
///
/// # Panics
/// As for [`predict`].
pub fn predict_with_losses(
    model: &Model,
    head: usize,
    input: &ModelInput,
    features: &[usize],
    beam_size: usize,
    targets: &[Option<DevTarget>],
) -> Result<Vec<(WindowOutput, Option<f64>)>, DeviceError> {
    let Head::Span(head) = &model.heads[head] else {
        panic!("head {head} answers no questions")
    };
    let sequences = &input.sequences;
    let input = model.encode(input);
    let mask = passage_mask(&input);
    let start_logits = head.start_logits(&input, mask.clone());
    let answerable = head.answerable_logits(&input, start_logits.clone());
    let start_logits = values(start_logits)?;

    let starts: Vec<Vec<(f32, u32)>> = (0..sequences.len())
        .map(|number| top_log_probs(&start_logits[sequences.rows(number)], beam_size))
        .collect();
    // [ranks, tokens]; without joint prediction every start has the same ends.
    let given = start_rows(sequences, &starts, targets);
    let end_logits = head.end_logits(&input, given.into(), mask);
    // Read together, since each read waits for the device.
    let end_logits = values(end_logits)?;
    let answerable = answerable.map(values).transpose()?;
    let ranked: Vec<&[f32]> = end_logits.chunks_exact(sequences.tokens()).collect();

    let weight = head.answerable_weight();
    let outputs = features.par_iter().zip(starts).enumerate();
    Ok(outputs
        .map(|(number, (&feature, starts))| {
            let rows = sequences.rows(number);
            let ends_given = |rank: usize| &ranked[rank.min(ranked.len() - 1)][rows.clone()];
            let ends: Vec<(f32, u32)> = (0..starts.len())
                .flat_map(|rank| top_log_probs(ends_given(rank), beam_size))
                .collect();
            let logit = answerable.as_ref().map(|logits| logits[number]);
            let target = targets.get(number).copied().flatten();
            let loss = target.map(|target| {
                // The last rank is given the correct start.
                let ends = &ranked[ranked.len() - 1][rows.clone()];
                let answerable = logit.map(|logit| (logit, weight));
                target.loss(&start_logits[rows.clone()], ends, answerable)
            });
            let output = WindowOutput {
                feature,
                start_top_log_probs: starts.iter().map(|best| best.0).collect(),
                start_top_index: starts.iter().map(|best| best.1).collect(),
                end_top_log_probs: ends.iter().map(|best| best.0).collect(),
                end_top_index: ends.iter().map(|best| best.1).collect(),
                start_logits: start_logits[rows.clone()].to_vec(),
                end_logits: ends_given(0).to_vec(),
                answerable_logit: logit.unwrap_or(0.0),
            };
            (output, loss)
        })
        .collect())
}

/// Returns the packed rows of the starts, equally many for each sequence, followed by the correct
/// one if there are targets. A sequence with fewer starts repeats its last, and the results of that
/// are not read.
fn start_rows(
    sequences: &Sequences,
    starts: &[Vec<(f32, u32)>],
    targets: &[Option<DevTarget>],
) -> Vec<u32> {
    let ranks = starts.iter().map(Vec::len).max().unwrap_or(0);
    let firsts = sequences.offsets().iter();
    let mut rows = Vec::with_capacity((ranks + 1) * starts.len());
    for (number, (first, starts)) in firsts.zip(starts).enumerate() {
        rows.extend((0..ranks).map(|rank| first + starts[rank.min(starts.len() - 1)].1));
        let right = targets.get(number);
        rows.extend(right.map(|target| first + target.map_or(0, |target| target.start)));
    }
    rows
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DeviceError> {
    tensor.try_into_vec_as::<f32>().map_err(DeviceError::new)
}

/// Returns the `count` largest log-softmax values of a row with their positions, largest first,
/// ties to the lower position.
fn top_log_probs(logits: &[f32], count: usize) -> Vec<(f32, u32)> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - greatest).exp())
        .sum();
    let log_sum = f64::from(greatest) + sum.ln();
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let by_logit = |a: &u32, b: &u32| {
        logits[*b as usize]
            .total_cmp(&logits[*a as usize])
            .then(a.cmp(b))
    };
    if count < order.len() {
        order.select_nth_unstable_by(count, by_logit);
        order.truncate(count);
    }
    order.sort_unstable_by(by_logit);
    order
        .into_iter()
        .map(|place| {
            let value = (f64::from(logits[place as usize]) - log_sum) as f32;
            (value, place)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_positions_come_first_and_ties_go_to_the_lower_one() {
        let best = top_log_probs(&[1.0, 3.0, 0.5, 3.0, -1000.0], 3);
        let places: Vec<u32> = best.iter().map(|b| b.1).collect();
        assert_eq!(places, [1, 3, 0]);
    }

    #[test]
    fn log_probabilities_of_the_whole_row_sum_to_one() {
        let best = top_log_probs(&[0.25, -2.0, 7.5], 3);
        let sum: f64 = best.iter().map(|b| f64::from(b.0).exp()).sum();
        // Three f32 roundings of values below 10.
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}
