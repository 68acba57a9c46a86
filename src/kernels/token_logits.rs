//! One logit per row: a dense layer of width 1 plus an additive mask term, on rows in f32 or f16
//! with weights, sums and logits in f32.
//!
//! A regular matmul would pad its single column to the width of a block. Shaders:
//! `shaders/token_logits_*.wgsl`.

pub mod config;
pub(super) mod gpu;

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy, backend_extension, ops::FloatTensorOps,
        tensor::FloatTensor, wgpu::CubeBackend,
    },
    tensor::Shape,
};

use super::{
    autodiff::with_gradient,
    formats::{cast, full},
};
use crate::packed::sequences::Sequences;

/// Rows over which one workgroup sums the weight gradient.
const SLICE: usize = 256;

/// Logits and their gradients as backend operations; `x` is `[rows, columns]`, `weight`
/// `[columns]`, `bias` `[1]` and `terms` `[rows]`.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait TokenLogitsOps: Backend {
    /// Returns `x · weight + bias + terms`, `[rows]`.
    fn token_logits(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        reference::<Self>(x, weight, bias, terms)
    }

    /// Returns the gradients of `x` and `weight`; `grad` is `[rows]`.
    fn token_logits_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        backward_reference::<Self>(x, weight, grad)
    }
}

/// Plain-tensor reference.
fn reference<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    terms: FloatTensor<B>,
) -> FloatTensor<B> {
    let product = B::float_matmul(full::<B>(x), column::<B>(weight));
    let product = B::float_reshape(product, terms.shape());
    B::float_add(B::float_add(product, bias), terms)
}

fn backward_reference<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (format, shape) = (x.dtype(), weight.shape());
    let grad = column::<B>(grad);
    let line = B::float_reshape(weight, Shape::new([1, shape[0]]));
    let x_grad = cast::<B>(B::float_mul(grad.clone(), line), format);
    let weight_grad = B::float_matmul(B::float_swap_dims(full::<B>(x), 0, 1), grad);
    (x_grad, B::float_reshape(weight_grad, shape))
}

/// Reshapes `[count]` → `[count, 1]`.
pub(super) fn column<B: Backend>(vector: FloatTensor<B>) -> FloatTensor<B> {
    let count = vector.shape()[0];
    B::float_reshape(vector, Shape::new([count, 1]))
}

impl TokenLogitsOps for Flex {}

impl TokenLogitsOps for CubeBackend {
    fn token_logits(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let rows = Sequences::new(&[x.shape()[0]], 0);
        match gpu::fitting(&x, None, &rows) {
            None => reference::<Self>(x, weight, bias, terms),
            Some(config) => {
                let logits = gpu::forward(config, [x, weight, bias, terms], None, &rows);
                let count = logits.shape()[1];
                Self::float_reshape(logits, Shape::new([count]))
            }
        }
    }

    fn token_logits_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let rows = x.shape()[0];
        let slices: Vec<usize> = (0..rows)
            .step_by(SLICE)
            .map(|first| SLICE.min(rows - first))
            .collect();
        let slices = Sequences::new(&slices, 0);
        match gpu::fitting(&x, None, &slices) {
            None => backward_reference::<Self>(x, weight, grad),
            Some(config) => {
                let (x, _, weight) = gpu::backward(config, [x, weight, grad], None, &slices);
                (x, weight)
            }
        }
    }
}

impl<B: TokenLogitsOps, C: CheckpointStrategy> TokenLogitsOps for Autodiff<B, C> {
    fn token_logits(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        terms: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let [x, weight, bias, terms] =
            [x, weight, bias, terms].map(|tensor| tensor.into_primitive());
        let logits = B::token_logits(x.clone(), weight.clone(), bias, terms);
        with_gradient::<B, C, _, _>(
            nodes,
            logits,
            || [x, weight],
            |[x, weight], grad, _| {
                let (x, weight) = B::token_logits_backward(x, weight, grad.clone());
                [x, weight, B::float_sum(grad)].map(Some)
            },
        )
    }
}

/// Computes `x · weight + bias + terms`: `x` `[rows, columns]`, `weight` `[columns]`, `bias` `[1]`
/// and `terms` `[rows]` → `[rows]` in f32, differentiable in all but `terms`.
pub fn token_logits(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    terms: Tensor<1>,
) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::token_logits(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        terms.into_dispatch(),
    ))
}
