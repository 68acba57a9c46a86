//! Attention of packed sequences in plain tensors, one sequence after the other.
//!
//! What CPUs run, and what the shaders are tested against. A sequence's probabilities,
//! `[heads, length, length]`, live only while it is computed.

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{Shape, Slice, TensorData},
};
use pulp::Arch;

use super::{
    attention::Layout,
    dense::{cast, full},
};
use crate::model::random::{Mask, attention_column, row_word};

/// `[tokens, hidden]` each → `[tokens, hidden]`
pub(super) fn forward<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    layout: &Layout,
) -> FloatTensor<B> {
    let format = q.dtype();
    let [q, k, v] = [q, k, v].map(full::<B>);
    let contexts = (0..layout.sequences.len())
        .map(|number| {
            let part = |rows: &FloatTensor<B>| split::<B>(rows, layout, number);
            let (q, k, v) = (part(&q), part(&k), part(&v));
            let probabilities = probabilities::<B>(q, k);
            let dropped = match factors::<B>(layout, number, &probabilities) {
                None => probabilities,
                Some(factors) => B::float_mul(probabilities, factors),
            };
            merge::<B>(B::float_matmul(dropped, v))
        })
        .collect();
    cast::<B>(B::float_cat(contexts, 0), format)
}

/// Gradients of `q`, `k` and `v`.
pub(super) fn backward<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    grad: FloatTensor<B>,
    layout: &Layout,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let format = q.dtype();
    let [q, k, v, grad] = [q, k, v, grad].map(full::<B>);
    let (mut dq, mut dk, mut dv) = (Vec::new(), Vec::new(), Vec::new());
    let transpose = |tensor: &FloatTensor<B>| B::float_swap_dims(tensor.clone(), 1, 2);
    for number in 0..layout.sequences.len() {
        let part = |rows: &FloatTensor<B>| split::<B>(rows, layout, number);
        let (q, k, v, grad) = (part(&q), part(&k), part(&v), part(&grad));
        let probabilities = probabilities::<B>(q.clone(), k.clone());
        // Of the probabilities after dropout, then of those before it.
        let slope = B::float_matmul(grad.clone(), transpose(&v));
        let (dropped, slope) = match factors::<B>(layout, number, &probabilities) {
            None => (probabilities.clone(), slope),
            Some(factors) => (
                B::float_mul(probabilities.clone(), factors.clone()),
                B::float_mul(slope, factors),
            ),
        };
        dv.push(merge::<B>(B::float_matmul(transpose(&dropped), grad)));
        // Through the softmax: p ∘ (dp − Σ p · dp).
        let weighted = B::float_mul(probabilities.clone(), slope);
        let mean = B::float_sum_dim(weighted.clone(), 2);
        let scores = B::float_sub(weighted, B::float_mul(probabilities, mean));
        let scale = scale(&q);
        let scores = B::float_mul_scalar(scores, scale.into());
        dq.push(merge::<B>(B::float_matmul(scores.clone(), k)));
        dk.push(merge::<B>(B::float_matmul(transpose(&scores), q)));
    }
    let join = |parts| cast::<B>(B::float_cat(parts, 0), format);
    (join(dq), join(dk), join(dv))
}

/// `softmax(q kᵀ / √size)`: `[heads, length, size]` each → `[heads, length, length]`
fn probabilities<B: Backend>(q: FloatTensor<B>, k: FloatTensor<B>) -> FloatTensor<B> {
    let scale = scale(&q);
    let scores = B::float_matmul(q, B::float_swap_dims(k, 1, 2));
    B::softmax(B::float_mul_scalar(scores, scale.into()), 2)
}

fn scale(q: &impl TensorMetadata) -> f64 {
    1.0 / (q.shape()[2] as f64).sqrt()
}

/// One sequence's rows with the heads apart: `[tokens, hidden]` → `[heads, length, size]`
fn split<B: Backend>(rows: &FloatTensor<B>, layout: &Layout, number: usize) -> FloatTensor<B> {
    let hidden = rows.shape()[1];
    let range = layout.sequences.rows(number);
    let length = range.len();
    let slices = [Slice::from(range), Slice::from(0..hidden)];
    let rows = B::float_slice(rows.clone(), &slices);
    let apart = Shape::new([length, layout.heads, hidden / layout.heads]);
    B::float_swap_dims(B::float_reshape(rows, apart), 0, 1)
}

/// The heads side by side again: `[heads, length, size]` → `[length, hidden]`
fn merge<B: Backend>(heads: FloatTensor<B>) -> FloatTensor<B> {
    let shape = heads.shape();
    let together = Shape::new([shape[1], shape[0] * shape[2]]);
    B::float_reshape(B::float_swap_dims(heads, 0, 1), together)
}

/// Factors of a sequence's probabilities, `[heads, length, length]`, where there is a mask.
fn factors<B: Backend>(
    layout: &Layout,
    number: usize,
    like: &FloatTensor<B>,
) -> Option<FloatTensor<B>> {
    let mask = layout.mask?;
    let length = layout.sequences.rows(number).len();
    let place = layout.sequences.places()[number];
    let drawn = draw(mask, place, layout.heads, length);
    let data = TensorData::new(drawn, [layout.heads, length, length]);
    Some(B::float_from_data(data, &like.device()))
}

fn draw(mask: Mask, place: u32, heads: usize, length: usize) -> Vec<f32> {
    let mut factors = vec![0.0; heads * length * length];
    Arch::new().dispatch(|| {
        for (line, keys) in factors.chunks_exact_mut(length).enumerate() {
            let (head, query) = (line / length, line % length);
            let row = row_word(place, query as u32);
            for (key, factor) in keys.iter_mut().enumerate() {
                *factor = mask.factor(row, attention_column(head as u32, key as u32));
            }
        }
    });
    factors
}
