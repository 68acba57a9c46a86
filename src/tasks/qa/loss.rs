//! The loss of a window: `(CE(start) + CE(end)) / 2 + answerable_weight · sigmoid-CE(answerable,
//! is_impossible)`.

use burn::Tensor;

use super::span_head::{SpanHead, passage_mask};
use crate::{
    kernels::{
        question_loss::{QuestionTargets, question_loss},
        span_loss::{TargetRows, span_loss},
    },
    model::HeadInput,
    tasks::label::Label,
};

/// The targets of the windows, `[batch]` each.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Position of the answer's first token.
    starts: Vec<u32>,
    /// Position of its last token.
    ends: Vec<u32>,
    /// 1 if the question has no answer, otherwise 0.
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

/// Returns the loss of each window, `[batch]`.
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

    match answerable {
        None => (span_loss(start_logits, starts) + span_loss(end_logits, ends)) / 2.0,
        Some(logits) => {
            let targets = QuestionTargets {
                starts,
                ends,
                impossible: targets.impossible.as_slice().into(),
                weight: head.answerable_weight(),
            };
            question_loss(start_logits, end_logits, logits, targets)
        }
    }
}
