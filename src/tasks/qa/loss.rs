//! The loss of a window:
//! `(CE(start) + CE(end)) / 2 + answerable_weight · sigmoid-CE(answerable, is_impossible)`.

use burn::Tensor;

use super::span_head::{SpanHead, passage_mask};
use crate::{
    kernels::span_loss::{TargetRows, span_loss},
    model::HeadInput,
    packed::sequences::Sequences,
    tasks::label::Label,
};

/// What each window should be answered with, `[batch]` each.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Position of the answer's first token.
    starts: Vec<u32>,
    /// Position of its last token.
    ends: Vec<u32>,
    /// 1 if the question has no answer, else 0.
    impossible: Vec<u32>,
}

impl Targets {
    /// # Panics
    /// If a label is of another kind.
    pub fn new(labels: &[Label]) -> Self {
        let mut targets = Self {
            starts: Vec::with_capacity(labels.len()),
            ends: Vec::with_capacity(labels.len()),
            impossible: Vec::with_capacity(labels.len()),
        };
        for label in labels {
            let Label::Span {
                start,
                end,
                impossible,
            } = *label
            else {
                panic!("a span expected, found {label:?}")
            };
            targets.starts.push(start);
            targets.ends.push(end);
            targets.impossible.push(impossible.into());
        }
        targets
    }
}

/// Loss of each window, `[batch]`.
pub fn feature_losses(head: &SpanHead, input: &HeadInput, targets: &Targets) -> Tensor<1> {
    let sequences = &input.sequences;
    let starts = TargetRows::new(sequences, &targets.starts);
    let ends = TargetRows::new(sequences, &targets.ends);
    let mask = passage_mask(input);
    let start_logits = head.start_logits(input, mask.clone());
    // Training conditions the end on the true start, prediction on the beam's.
    let end_logits = head.end_logits(input, starts.rows().clone(), mask);
    let end_logits = end_logits.reshape([sequences.tokens()]);
    let answerable = head.answerable_logits(input, start_logits.clone());

    let span = (span_loss(start_logits, starts) + span_loss(end_logits, ends)) / 2.0;
    match answerable {
        None => span,
        Some(logits) => {
            span + sigmoid_cross_entropy(logits, &targets.impossible) * head.answerable_weight()
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
