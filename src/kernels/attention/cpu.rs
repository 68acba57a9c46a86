//! Attention over packed sequences on the CPU, parallel over sequences and heads.
//!
//! The scores and probabilities of a head, `[length, length]`, stay in one core's caches, and
//! everything that follows a matmul is done in a single pass.

use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};

use super::layout::Layout;
use crate::{
    kernels::{
        cpu_loops::{by_rows, in_order, map, tensor, total, values},
        formats::cast,
        normal::exp_of_negative,
    },
    packed::random::{Mask, attention_column, row_word},
};

/// One head of one sequence.
#[derive(Clone, Copy)]
struct Part<'a> {
    layout: &'a Layout,
    number: usize,
    head: usize,
}

impl Part<'_> {
    fn length(&self) -> usize {
        self.layout.sequences.rows(self.number).len()
    }

    /// Returns its view of a `[tokens, hidden]` matrix: `[length, size]`, without copying.
    fn of(&self, matrix: &FloatTensor<Flex>) -> FloatTensor<Flex> {
        let size = matrix.shape()[1] / self.layout.heads;
        let rows = self.layout.sequences.rows(self.number);
        matrix
            .narrow(0, rows.start, rows.len())
            .narrow(1, self.head * size, size)
    }

    /// Returns the mask coordinates of a query's probabilities.
    fn draws(&self, query: usize) -> Option<Draws> {
        let place = self.layout.sequences.places()[self.number];
        let mask = self.layout.mask?;
        Some(Draws {
            mask,
            row: row_word(place, query as u32),
            head: self.head as u32,
        })
    }
}

/// Draws the dropout factors of one query's probabilities.
struct Draws {
    mask: Mask,
    row: u32,
    head: u32,
}

impl Draws {
    #[inline(always)]
    fn factor(&self, key: usize) -> f32 {
        self.mask
            .factor(self.row, attention_column(self.head, key as u32))
    }
}

/// Iterates over all heads of all sequences, sequence by sequence.
fn parts(layout: &Layout) -> impl Iterator<Item = Part<'_>> {
    (0..layout.sequences.len()).flat_map(move |number| {
        (0..layout.heads).map(move |head| Part {
            layout,
            number,
            head,
        })
    })
}

fn product(a: FloatTensor<Flex>, b: FloatTensor<Flex>) -> FloatTensor<Flex> {
    Flex::float_matmul(a, b)
}

fn transposed(matrix: &FloatTensor<Flex>) -> FloatTensor<Flex> {
    matrix.transpose(0, 1)
}

/// Returns the scale of the scores, `1 / √size`.
fn scale(q: &FloatTensor<Flex>, layout: &Layout) -> f32 {
    1.0 / ((q.shape()[1] / layout.heads) as f32).sqrt()
}

/// Same contract as the reference's forward pass.
pub(in crate::kernels) fn forward(
    q: FloatTensor<Flex>,
    k: FloatTensor<Flex>,
    v: FloatTensor<Flex>,
    layout: &Layout,
) -> (FloatTensor<Flex>, FloatTensor<Flex>) {
    let format = q.dtype();
    let [q, k, v] = [q, k, v].map(in_order);
    let scale = scale(&q, layout);
    let results = map(
        parts(layout),
        #[inline(always)]
        |part| {
            let mut scores = product(part.of(&q), transposed(&part.of(&k)));
            let length = part.length();
            let mut log_sums = Vec::with_capacity(length);
            let rows = scores.storage_mut::<f32>().chunks_exact_mut(length);
            for (query, row) in rows.enumerate() {
                log_sums.push(softmax(row, scale, part.draws(query)));
            }
            (product(scores, part.of(&v)), log_sums)
        },
    );
    let tokens = q.shape()[0];
    let contexts: Vec<_> = results.iter().map(|(context, _)| context).collect();
    let context = side_by_side(&contexts, layout, q.shape());
    let mut log_sums = vec![0.0; layout.heads * tokens];
    for (part, (_, values)) in parts(layout).zip(&results) {
        let first = part.head * tokens + layout.sequences.rows(part.number).start;
        log_sums[first..first + values.len()].copy_from_slice(values);
    }
    (
        cast::<Flex>(context, format),
        tensor(log_sums, Shape::new([layout.heads, tokens])),
    )
}

/// Turns a query's scores into its probabilities after dropout; returns their log-sum-exp.
#[inline(always)]
fn softmax(row: &mut [f32], scale: f32, draws: Option<Draws>) -> f32 {
    let mut greatest = [f32::NEG_INFINITY; LANES];
    for scores in row.chunks(LANES) {
        for (greatest, &score) in greatest.iter_mut().zip(scores) {
            *greatest = greatest.max(score);
        }
    }
    let greatest = greatest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let mut totals = [0.0_f32; LANES];
    for scores in row.chunks_mut(LANES) {
        for (total, score) in totals.iter_mut().zip(scores) {
            *score = exp_of_negative((*score - greatest) * scale);
            *total += *score;
        }
    }
    let total: f32 = totals.iter().sum();
    match draws {
        None => row.iter_mut().for_each(|value| *value /= total),
        Some(draws) => {
            for (key, value) in row.iter_mut().enumerate() {
                *value = *value / total * draws.factor(key);
            }
        }
    }
    greatest * scale + total.ln()
}

/// Partial sums kept side by side, enough to fill a few vector registers.
const LANES: usize = 32;

/// Same contract as the reference's backward pass, except that it does not need the log-sum-exp.
pub(in crate::kernels) fn backward(
    inputs: [FloatTensor<Flex>; 4],
    grad: FloatTensor<Flex>,
    layout: &Layout,
) -> (FloatTensor<Flex>, FloatTensor<Flex>, FloatTensor<Flex>) {
    let format = grad.dtype();
    let [q, k, v, context] = inputs.map(in_order);
    let grad = in_order(grad);
    let (scale, hidden) = (scale(&q, layout), q.shape()[1]);
    let size = hidden / layout.heads;
    let gradients = map(
        parts(layout),
        #[inline(always)]
        |part| {
            let (length, rows) = (part.length(), layout.sequences.rows(part.number));
            let [q, k, v] = [&q, &k, &v].map(|matrix| part.of(matrix));
            let mut dropped = product(q.clone(), transposed(&k));
            let mut slopes = product(part.of(&grad), transposed(&v));
            let lines = dropped
                .storage_mut::<f32>()
                .chunks_exact_mut(length)
                .zip(slopes.storage_mut::<f32>().chunks_exact_mut(length));
            for (query, line) in lines.enumerate() {
                let row = rows.start + query;
                let columns =
                    row * hidden + part.head * size..row * hidden + (part.head + 1) * size;
                // Σ_j p · dp, computed from the context as in the reference.
                let grads = &values(&grad)[columns.clone()];
                let mean = total(grads, &values(&context)[columns], |grad, value| {
                    grad * value
                });
                through_softmax(line, [scale, mean], part.draws(query));
            }
            [
                product(slopes.clone(), k),
                product(transposed(&slopes), q),
                product(transposed(&dropped), part.of(&grad)),
            ]
        },
    );
    let join = |which: usize| {
        let gradients: Vec<_> = gradients.iter().map(|parts| &parts[which]).collect();
        cast::<Flex>(side_by_side(&gradients, layout, q.shape()), format)
    };
    (join(0), join(1), join(2))
}

/// Processes one query: turns its scores into its probabilities after dropout, and the gradients of
/// those into the gradients of the scores, ready for the matmuls with keys and queries.
#[inline(always)]
fn through_softmax(
    (scores, slopes): (&mut [f32], &mut [f32]),
    [scale, mean]: [f32; 2],
    draws: Option<Draws>,
) {
    // Recompute exactly the probabilities of the forward pass; recovering them from the log-sum-exp
    // would add its rounding error.
    softmax(scores, scale, None);
    let pairs = scores.iter_mut().zip(slopes.iter_mut());
    match draws {
        None => {
            for (share, slope) in pairs {
                *slope = *share * (*slope - mean) * scale;
            }
        }
        Some(draws) => {
            for (key, (share, slope)) in pairs.enumerate() {
                let factor = draws.factor(key);
                *slope = *share * (*slope * factor - mean) * scale;
                *share *= factor;
            }
        }
    }
}

/// Reassembles heads and sequences: `[length, size]` each → `[tokens, hidden]`.
fn side_by_side(parts: &[&FloatTensor<Flex>], layout: &Layout, shape: Shape) -> FloatTensor<Flex> {
    let (hidden, heads) = (shape[1], layout.heads);
    let size = hidden / heads;
    let offsets = layout.sequences.offsets();
    let mut joined = vec![0.0; shape.num_elements()];
    by_rows(
        &mut joined,
        hidden,
        #[inline(always)]
        |first, lines| {
            for (token, line) in (first..).zip(lines.chunks_exact_mut(hidden)) {
                let number = offsets.partition_point(|&offset| offset as usize <= token) - 1;
                let row = token - offsets[number] as usize;
                let heads = &parts[number * heads..(number + 1) * heads];
                for (values_of, out) in heads.iter().zip(line.chunks_exact_mut(size)) {
                    out.copy_from_slice(&values(values_of)[row * size..(row + 1) * size]);
                }
            }
        },
    );
    tensor(joined, shape)
}
