//! Attention over packed sequences in plain tensors, one sequence at a time.
//!
//! The shaders are tested against this. A sequence's probabilities, `[heads, length, length]`, live
//! only while that sequence is computed.

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{Shape, Slice, TensorData},
};
use pulp::Arch;

use super::layout::Layout;
use crate::{
    kernels::formats::{cast, full},
    packed::random::{Mask, attention_column, row_word},
};

/// Computes attention from `q`, `k` and `v`, `[tokens, hidden]` each: returns the context,
/// `[tokens, hidden]`, and each row's log-sum-exp of the scores, `[heads, tokens]` in f32.
pub(in crate::kernels) fn forward<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    layout: &Layout,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let format = q.dtype();
    let [q, k, v] = [q, k, v].map(full::<B>);
    let (contexts, log_sums) = (0..layout.sequences.len())
        .map(|number| {
            let part = |rows: &FloatTensor<B>| split::<B>(rows, layout, number);
            let (q, k, v) = (part(&q), part(&k), part(&v));
            let scores = scores::<B>(q, k, layout, number);
            let greatest = B::float_max_dim(scores.clone(), 2);
            let shares = B::float_exp(B::float_sub(scores, greatest.clone()));
            let total = B::float_sum_dim(shares.clone(), 2);
            let probabilities = B::float_div(shares, total.clone());
            let log_sums = B::float_add(greatest, B::float_log(total));
            let dropped = match factors::<B>(layout, number, &probabilities) {
                None => probabilities,
                Some(factors) => B::float_mul(probabilities, factors),
            };
            let length = log_sums.shape()[1];
            let log_sums = B::float_reshape(log_sums, Shape::new([layout.heads, length]));
            (merge::<B>(B::float_matmul(dropped, v)), log_sums)
        })
        .unzip();
    let context = cast::<B>(B::float_cat(contexts, 0), format);
    (context, B::float_cat(log_sums, 1))
}

/// Returns the gradients of `q`, `k` and `v`, given those, the results of [`forward`] and the
/// context's gradient.
pub(in crate::kernels) fn backward<B: Backend>(
    inputs: [FloatTensor<B>; 4],
    log_sums: FloatTensor<B>,
    grad: FloatTensor<B>,
    layout: &Layout,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let format = grad.dtype();
    let [q, k, v, context] = inputs.map(full::<B>);
    let grad = full::<B>(grad);
    let (mut dq, mut dk, mut dv) = (Vec::new(), Vec::new(), Vec::new());
    let transpose = |tensor: &FloatTensor<B>| B::float_swap_dims(tensor.clone(), 1, 2);
    for number in 0..layout.sequences.len() {
        let part = |rows: &FloatTensor<B>| split::<B>(rows, layout, number);
        let (q, k, v) = (part(&q), part(&k), part(&v));
        let (context, grad) = (part(&context), part(&grad));
        let rows = layout.sequences.rows(number);
        let length = rows.len();
        let slices = [Slice::from(0..layout.heads), Slice::from(rows)];
        let log_sums = B::float_slice(log_sums.clone(), &slices);
        let log_sums = B::float_reshape(log_sums, Shape::new([layout.heads, length, 1]));
        let scores = scores::<B>(q.clone(), k.clone(), layout, number);
        let probabilities = B::float_exp(B::float_sub(scores, log_sums));
        // Each row's Σ_j p · dp, taken from the context rather than from these probabilities:
        // rounding in the log-sum-exp scales all of a row's probabilities up or down together.
        let mean = B::float_sum_dim(B::float_mul(grad.clone(), context), 2);
        // The gradient of the probabilities after dropout, then of those before it.
        let slope = B::float_matmul(grad.clone(), transpose(&v));
        let (dropped, slope) = match factors::<B>(layout, number, &probabilities) {
            None => (probabilities.clone(), slope),
            Some(factors) => (
                B::float_mul(probabilities.clone(), factors.clone()),
                B::float_mul(slope, factors),
            ),
        };
        dv.push(merge::<B>(B::float_matmul(transpose(&dropped), grad)));
        // Back through the softmax.
        let slope = B::float_mul(probabilities, B::float_sub(slope, mean));
        let scale = scale(&q);
        let slope = B::float_mul_scalar(slope, scale.into());
        dq.push(merge::<B>(B::float_matmul(slope.clone(), k)));
        dk.push(merge::<B>(B::float_matmul(transpose(&slope), q)));
    }
    let join = |parts| cast::<B>(B::float_cat(parts, 0), format);
    (join(dq), join(dk), join(dv))
}

/// Added to the score of a masked token, as in Google's code. A token that sees nothing, as padding
/// may, gets it in every score and therefore attends to everything.
const HIDDEN: f32 = -10_000.0;

/// Returns `q kᵀ / √size`: `[heads, length, size]` each → `[heads, length, length]`.
fn scores<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    layout: &Layout,
    number: usize,
) -> FloatTensor<B> {
    let (scale, device) = (scale(&q), q.device());
    let scores = B::float_matmul(q, B::float_swap_dims(k, 1, 2));
    let scores = B::float_mul_scalar(scores, scale.into());
    let sequences = &layout.sequences;
    if !sequences.hide_tokens() {
        return scores;
    }
    let length = sequences.rows(number).len();
    let sees = (0..length * length).map(|at| sequences.sees(number, at / length, at % length));
    let hidden: Vec<f32> = sees.map(|sees| if sees { 0.0 } else { HIDDEN }).collect();
    let hidden = TensorData::new(hidden, [1, length, length]);
    B::float_add(scores, B::float_from_data(hidden, &device))
}

fn scale(q: &impl TensorMetadata) -> f64 {
    1.0 / (q.shape()[2] as f64).sqrt()
}

/// Splits one sequence's rows into heads: `[tokens, hidden]` → `[heads, length, size]`.
fn split<B: Backend>(rows: &FloatTensor<B>, layout: &Layout, number: usize) -> FloatTensor<B> {
    let hidden = rows.shape()[1];
    let range = layout.sequences.rows(number);
    let length = range.len();
    let slices = [Slice::from(range), Slice::from(0..hidden)];
    let rows = B::float_slice(rows.clone(), &slices);
    let apart = Shape::new([length, layout.heads, hidden / layout.heads]);
    B::float_swap_dims(B::float_reshape(rows, apart), 0, 1)
}

/// Puts the heads side by side again: `[heads, length, size]` → `[length, hidden]`.
fn merge<B: Backend>(heads: FloatTensor<B>) -> FloatTensor<B> {
    let shape = heads.shape();
    let together = Shape::new([shape[1], shape[0] * shape[2]]);
    B::float_reshape(B::float_swap_dims(heads, 0, 1), together)
}

/// Returns the dropout factors of a sequence's probabilities, `[heads, length, length]`, if there
/// is a mask.
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
