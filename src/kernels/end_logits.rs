//! End logits given start tokens, as one operation that stores nothing of size starts × tokens ×
//! columns: `Σ weight · GELU(token + start) + bias + term` for each start of a sequence and each of
//! its tokens.
//!
//! Tokens and starts are f32 or f16; all arithmetic and the logits are f32. Shaders:
//! `shaders/token_logits_*.wgsl`.

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy, backend_extension, tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::{Shape, TensorData},
};

use super::{
    autodiff::with_gradient,
    cpu_loops::{by_rows, in_order, map, sum_of, tensor, values},
    formats::{cast, full},
    gelu::GeluOps,
    normal::{density, distribution},
    token_logits::{
        column,
        gpu::{self, Starts},
    },
};
use crate::packed::sequences::Sequences;

/// Values of a row that the CPU sums side by side.
const LANES: usize = 16;

/// End logits and their gradients as backend operations. `tokens` is `[tokens, columns]`; `starts`
/// is `[sequences · ranks, columns]` in the same format, with the `ranks` starts of a sequence
/// consecutive; `weight` is `[columns]`, `bias` `[1]` and `terms` `[tokens]`.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait EndLogitsOps: GeluOps {
    /// Returns the end logits, `[ranks, tokens]`.
    fn end_logits(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        sequences: Sequences,
    ) -> FloatTensor<Self> {
        reference::<Self>([tokens, starts, weight, bias, terms], &sequences)
    }

    /// Returns the gradients of `tokens`, `starts` and `weight` if each sequence has one start;
    /// `grad` is `[1, tokens]`.
    fn end_logits_backward(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        backward_reference::<Self>([tokens, starts, weight, grad], &sequences)
    }
}

/// Plain-tensor reference, one rank at a time.
fn reference<B: GeluOps>(
    [tokens, starts, weight, bias, terms]: [FloatTensor<B>; 5],
    sequences: &Sequences,
) -> FloatTensor<B> {
    let count = tokens.shape()[0];
    let (tokens, weight) = (full::<B>(tokens), column::<B>(weight));
    let logits = (0..ranks(&starts.shape(), sequences)).map(|rank| {
        let inner = B::float_add(tokens.clone(), repeated::<B>(&starts, rank, sequences));
        let logits = B::float_matmul(B::erf_gelu(inner), weight.clone());
        B::float_reshape(logits, Shape::new([1, count]))
    });
    let logits = B::float_cat(logits.collect(), 0);
    let bias = B::float_reshape(bias, Shape::new([1, 1]));
    let terms = B::float_reshape(terms, Shape::new([1, count]));
    B::float_add(B::float_add(logits, bias), terms)
}

fn backward_reference<B: GeluOps>(
    [tokens, starts, weight, grad]: [FloatTensor<B>; 4],
    sequences: &Sequences,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let (format, count) = (tokens.dtype(), tokens.shape()[0]);
    let device = tokens.device();
    let inner = B::float_add(full::<B>(tokens), repeated::<B>(&starts, 0, sequences));
    let grad = B::float_reshape(grad, Shape::new([count, 1]));
    let shaped = B::float_swap_dims(B::erf_gelu(inner.clone()), 0, 1);
    let weight_grad = B::float_matmul(shaped, grad.clone());
    let weight_grad = B::float_reshape(weight_grad, weight.shape());
    let columns = weight.shape()[0];
    let weight = B::float_reshape(weight, Shape::new([1, columns]));
    let inner_grad = B::erf_gelu_backward(inner, B::float_mul(grad, weight));
    // A start's gradient is the sum over its sequence: a matmul with 1 where a token belongs to it.
    let mut members = vec![0.0_f32; sequences.len() * count];
    for number in 0..sequences.len() {
        for row in sequences.rows(number) {
            members[number * count + row] = 1.0;
        }
    }
    let members = TensorData::new(members, [sequences.len(), count]);
    let members = B::float_from_data(members, &device);
    let start_grads = B::float_matmul(members, inner_grad.clone());
    (
        cast::<B>(inner_grad, format),
        cast::<B>(start_grads, format),
        weight_grad,
    )
}

/// Returns the number of starts per sequence.
fn ranks(starts: &Shape, sequences: &Sequences) -> usize {
    starts[0] / sequences.len()
}

/// Broadcasts the start of this rank to every token of its sequence, `[tokens, columns]` in f32.
fn repeated<B: Backend>(
    starts: &FloatTensor<B>,
    rank: usize,
    sequences: &Sequences,
) -> FloatTensor<B> {
    let ranks = ranks(&starts.shape(), sequences);
    let numbers = sequences.lengths().enumerate();
    let index: Vec<i32> = numbers
        .flat_map(|(number, length)| vec![(number * ranks + rank) as i32; length])
        .collect();
    let index = TensorData::new(index, [sequences.tokens()]);
    let index = B::int_from_data(index, &starts.device());
    B::float_select(full::<B>(starts.clone()), 0, index)
}

impl EndLogitsOps for Flex {
    fn end_logits(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        sequences: Sequences,
    ) -> FloatTensor<Self> {
        let ranks = ranks(&starts.shape(), &sequences);
        let inputs = [tokens, starts, weight, bias, terms].map(in_order);
        let [tokens, starts, weight, bias, terms] = inputs.each_ref().map(values);
        let (count, columns) = (terms.len(), weight.len());
        let offsets = sequences.offsets();
        let mut logits = vec![0.0; count * ranks];
        by_rows(
            &mut logits,
            ranks,
            #[inline(always)]
            |first, lines| {
                for (token, line) in (first..).zip(lines.chunks_exact_mut(ranks)) {
                    let number = offsets.partition_point(|&offset| offset as usize <= token) - 1;
                    let starts = starts[number * ranks * columns..].chunks_exact(columns);
                    let values = &tokens[token * columns..][..columns];
                    for (logit, start) in line.iter_mut().zip(starts) {
                        let sum = weighted_gelu(values, start, weight);
                        *logit = sum + bias[0] + terms[token];
                    }
                }
            },
        );
        tensor(logits, Shape::new([count, ranks])).transpose(0, 1)
    }

    fn end_logits_backward(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let format = tokens.dtype();
        let inputs = [tokens, starts, weight, grad].map(in_order);
        let shapes = inputs.each_ref().map(|tensor| tensor.shape());
        let [tokens, starts, weight, grad] = inputs.each_ref().map(values);
        let columns = weight.len();
        let mut token_grads = vec![0.0; tokens.len()];
        let mut rest = &mut token_grads[..];
        let parts: Vec<&mut [f32]> = sequences
            .lengths()
            .map(|length| {
                rest.split_off_mut(..length * columns)
                    .expect("rows of every sequence")
            })
            .collect();
        let shares = map(
            parts.into_iter().enumerate(),
            #[inline(always)]
            |(number, token_grads)| {
                let start = &starts[number * columns..][..columns];
                let (mut start_grad, mut weight_grad) = (vec![0.0; columns], vec![0.0; columns]);
                let lines = token_grads.chunks_exact_mut(columns);
                for (row, token_grad) in sequences.rows(number).zip(lines) {
                    let token = &tokens[row * columns..][..columns];
                    let grad = grad[row];
                    for column in 0..columns {
                        let x = token[column] + start[column];
                        let below = distribution(x);
                        let slope = grad * weight[column] * (below + x * density(x));
                        token_grad[column] = slope;
                        start_grad[column] += slope;
                        weight_grad[column] += grad * x * below;
                    }
                }
                (start_grad, weight_grad)
            },
        );
        let (start_grads, weight_shares): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
        let [tokens, starts, weight, _] = shapes;
        (
            cast::<Self>(tensor(token_grads, tokens), format),
            cast::<Self>(tensor(start_grads.concat(), starts), format),
            tensor(sum_of(weight_shares, columns), weight),
        )
    }
}

/// Returns `Σ weight · GELU(token + start)`, in partial sums that fit vector registers.
#[inline(always)]
fn weighted_gelu(token: &[f32], start: &[f32], weight: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let blocks = token.chunks(LANES).zip(start.chunks(LANES));
    for ((token, start), weight) in blocks.zip(weight.chunks(LANES)) {
        for (((sum, token), start), weight) in sums.iter_mut().zip(token).zip(start).zip(weight) {
            let x = token + start;
            *sum += weight * x * distribution(x);
        }
    }
    sums.iter().sum()
}

impl EndLogitsOps for CubeBackend {
    fn end_logits(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        sequences: Sequences,
    ) -> FloatTensor<Self> {
        let ranks = ranks(&starts.shape(), &sequences);
        let config = gpu::fitting(&tokens, Some(ranks), &sequences);
        let Some(config) = config.filter(|_| tokens.dtype == starts.dtype) else {
            return reference::<Self>([tokens, starts, weight, bias, terms], &sequences);
        };
        let given = Starts {
            states: starts,
            ranks,
        };
        gpu::forward(
            config,
            [tokens, weight, bias, terms],
            Some(given),
            &sequences,
        )
    }

    fn end_logits_backward(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let config = gpu::fitting(&tokens, Some(1), &sequences);
        let Some(config) = config.filter(|_| tokens.dtype == starts.dtype) else {
            return backward_reference::<Self>([tokens, starts, weight, grad], &sequences);
        };
        let given = Starts {
            states: starts,
            ranks: 1,
        };
        gpu::backward(config, [tokens, weight, grad], Some(given), &sequences)
    }
}

impl<B: EndLogitsOps, C: CheckpointStrategy> EndLogitsOps for Autodiff<B, C> {
    fn end_logits(
        tokens: FloatTensor<Self>,
        starts: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
        sequences: Sequences,
    ) -> FloatTensor<Self> {
        let nodes = [tokens.node(), starts.node(), weight.node(), bias.node()];
        let [tokens, starts, weight, bias, terms] =
            [tokens, starts, weight, bias, terms].map(|tensor| tensor.into_primitive());
        let ranks = ranks(&starts.shape(), &sequences);
        let logits = B::end_logits(
            tokens.clone(),
            starts.clone(),
            weight.clone(),
            bias,
            terms,
            sequences.clone(),
        );
        with_gradient::<B, C, _, _>(
            nodes,
            logits,
            || {
                assert_eq!(ranks, 1, "the gradient is that of one start a sequence");
                ([tokens, starts, weight], sequences)
            },
            |([tokens, starts, weight], sequences), grad, _| {
                let (tokens, starts, weight) =
                    B::end_logits_backward(tokens, starts, weight, grad.clone(), sequences);
                [tokens, starts, weight, B::float_sum(grad)].map(Some)
            },
        )
    }
}

/// Computes end logits `[ranks, tokens]` in f32, given `ranks` starts per sequence: `tokens` is
/// `[tokens, columns]`, `starts` `[sequences · ranks, columns]`, `weight` `[columns]`, `bias` `[1]`
/// and `terms` `[tokens]`. Differentiable in all but `terms` if each sequence has one start.
pub fn end_logits(
    tokens: Tensor<2>,
    starts: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    terms: Tensor<1>,
    sequences: &Sequences,
) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::end_logits(
        tokens.into_dispatch(),
        starts.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        terms.into_dispatch(),
        sequences.clone(),
    ))
}
