//! The loss of a batch: the **sum** over its features of
//! `(CE(start) + CE(end)) / 2 + answerable_weight · sigmoid-CE(answerable, is_impossible)`.

use burn::{
    Tensor,
    tensor::{
        Device, Int, TensorData,
        activation::{log_sigmoid, log_softmax},
    },
};

use crate::{
    data::batch::Batch,
    model::{ModelInput, SpanHead},
};

/// What each feature should be answered with.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Position of the answer's first token, `[batch]`.
    pub start: Tensor<1, Int>,
    /// Position of its last token, `[batch]`.
    pub end: Tensor<1, Int>,
    /// 1 where the question has no answer, `[batch]`.
    pub is_impossible: Tensor<1>,
}

impl Targets {
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let shape = [batch.size];
        Self {
            start: Tensor::from_data(TensorData::new(batch.start.clone(), shape), device),
            end: Tensor::from_data(TensorData::new(batch.end.clone(), shape), device),
            is_impossible: Tensor::from_data(
                TensorData::new(batch.is_impossible.clone(), shape),
                device,
            ),
        }
    }

    /// The targets of some rows of the batch.
    pub fn select(&self, rows: Tensor<1, Int>) -> Self {
        Self {
            start: self.start.clone().select(0, rows.clone()),
            end: self.end.clone().select(0, rows.clone()),
            is_impossible: self.is_impossible.clone().select(0, rows),
        }
    }
}

/// Loss of each feature, `[batch]`, from the last hidden states `[batch · seq, hidden]`.
pub fn feature_losses(
    head: &SpanHead,
    hidden: Tensor<2>,
    answer_mask: Tensor<2>,
    targets: &Targets,
    answerable_weight: f64,
) -> Tensor<1> {
    let start_logits = head.start_logits(hidden.clone(), answer_mask.clone());
    let context = head.end_context(hidden.clone(), answer_mask);
    // Training conditions the end on the true start, prediction on the beam's.
    let end_logits = head.end_logits(&context, &hidden, targets.start.clone());
    let answerable = head.answerable_logits(hidden, start_logits.clone());

    let span = (cross_entropy(start_logits, targets.start.clone())
        + cross_entropy(end_logits, targets.end.clone()))
        / 2.0;
    match answerable {
        None => span,
        Some(logits) => {
            span + sigmoid_cross_entropy(logits, targets.is_impossible.clone()) * answerable_weight
        }
    }
}

/// `−log softmax(logits)[target]`: `[batch, classes]`, `[batch]` → `[batch]`
fn cross_entropy(logits: Tensor<2>, target: Tensor<1, Int>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let picked = log_softmax(logits, 1).gather(1, target.reshape([batch, 1]));
    picked.reshape([batch]).neg()
}

/// `−label · log σ(x) − (1 − label) · log σ(−x)`, each `[batch]`.
fn sigmoid_cross_entropy(logits: Tensor<1>, label: Tensor<1>) -> Tensor<1> {
    let positive = log_sigmoid(logits.clone()) * label.clone();
    let negative = log_sigmoid(logits.neg()) * (label.neg() + 1.0);
    (positive + negative).neg()
}

/// The batch's loss, `[1]`: each feature's, by its own task's head, summed.
pub fn batch_loss(
    heads: &[SpanHead],
    hidden: Tensor<2>,
    input: &ModelInput,
    targets: &Targets,
    tasks: &[usize],
    answerable_weight: f64,
) -> Tensor<1> {
    if let [head] = heads {
        let mask = input.answer_mask.clone();
        return feature_losses(head, hidden, mask, targets, answerable_weight).sum();
    }
    let [batch, seq] = input.answer_mask.dims();
    let [_, size] = hidden.dims();
    let device = hidden.device();
    let mut total = Tensor::zeros([1], &device);
    for (task, head) in heads.iter().enumerate() {
        let rows: Vec<i32> = (0..batch as i32)
            .filter(|&row| tasks[row as usize] == task)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let count = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device);
        let states = hidden
            .clone()
            .reshape([batch, seq, size])
            .select(0, rows.clone())
            .reshape([count * seq, size]);
        let mask = input.answer_mask.clone().select(0, rows.clone());
        let losses = feature_losses(head, states, mask, &targets.select(rows), answerable_weight);
        total = total + losses.sum();
    }
    total
}
