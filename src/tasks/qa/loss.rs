//! The loss of a batch: the **sum** over its features of
//! `(CE(start) + CE(end)) / 2 + answerable_weight · sigmoid-CE(answerable, is_impossible)`.

use burn::Tensor;

use super::span_head::SpanHead;
use crate::{
    data::batch::Batch,
    kernels::span_loss::{TargetRows, span_loss},
    model::HeadInput,
    packed::sequences::Sequences,
};

/// What each feature should be answered with, `[batch]` each.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Position of the answer's first token.
    starts: Vec<u32>,
    /// Position of its last token.
    ends: Vec<u32>,
    /// 1 where the question has no answer, else 0.
    impossible: Vec<u32>,
}

impl Targets {
    pub fn new(batch: &Batch) -> Self {
        let positions = |values: &[i32]| values.iter().map(|&value| value as u32).collect();
        let labels = batch.is_impossible.iter();
        Self {
            starts: positions(&batch.start),
            ends: positions(&batch.end),
            impossible: labels.map(|&label| u32::from(label > 0.5)).collect(),
        }
    }

    /// The targets of some features of the batch.
    fn part(&self, numbers: &[usize]) -> Self {
        let part = |values: &[u32]| numbers.iter().map(|&number| values[number]).collect();
        Self {
            starts: part(&self.starts),
            ends: part(&self.ends),
            impossible: part(&self.impossible),
        }
    }
}

/// Loss of each feature, `[batch]`.
pub fn feature_losses(
    head: &SpanHead,
    input: &HeadInput,
    targets: &Targets,
    answerable_weight: f64,
) -> Tensor<1> {
    let sequences = &input.sequences;
    let starts = TargetRows::new(sequences, &targets.starts);
    let ends = TargetRows::new(sequences, &targets.ends);
    let start_logits = head.start_logits(input);
    // Training conditions the end on the true start, prediction on the beam's.
    let end_logits = head.end_logits(input, starts.rows().clone());
    let end_logits = end_logits.reshape([sequences.tokens()]);
    let answerable = head.answerable_logits(input, start_logits.clone());

    let span = (span_loss(start_logits, starts) + span_loss(end_logits, ends)) / 2.0;
    match answerable {
        None => span,
        Some(logits) => {
            span + sigmoid_cross_entropy(logits, &targets.impossible) * answerable_weight
        }
    }
}

/// `−label · log σ(x) − (1 − label) · log σ(−x)`, `[batch]` each: `(σ(−x), σ(x))` is the softmax of
/// `(0, x)`.
fn sigmoid_cross_entropy(logits: Tensor<1>, labels: &[u32]) -> Tensor<1> {
    let [batch] = logits.dims();
    let logits = logits.reshape([batch, 1]);
    let pairs = Tensor::cat(vec![logits.zeros_like(), logits], 1).reshape([2 * batch]);
    let rows = TargetRows::new(&Sequences::new(&vec![2; batch], 0), labels);
    span_loss(pairs, rows)
}

/// The batch's loss, `[1]`: each feature's, by its own task's head, summed. `tasks` gives each
/// feature's place in the task list.
pub fn batch_loss(
    heads: &[SpanHead],
    input: &HeadInput,
    targets: &Targets,
    tasks: &[usize],
    answerable_weight: f64,
) -> Tensor<1> {
    if let [head] = heads {
        return feature_losses(head, input, targets, answerable_weight).sum();
    }
    let mut total = Tensor::zeros([1], &input.hidden.device());
    for (task, head) in heads.iter().enumerate() {
        let of_task: Vec<usize> = (0..tasks.len())
            .filter(|&number| tasks[number] == task)
            .collect();
        if of_task.is_empty() {
            continue;
        }
        let part = input.part(&of_task);
        let losses = feature_losses(head, &part, &targets.part(&of_task), answerable_weight);
        total = total + losses.sum();
    }
    total
}
