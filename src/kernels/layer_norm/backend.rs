//! Layer normalisation of rows, `y = (x − mean) / √(variance + ε) · γ + β`, forward and backward.
//!
//! The backward pass needs the rows before normalisation and two moments per row; it recomputes the
//! normalised values. Rows are f32 or f16; γ, β and all arithmetic are f32. Nothing here uses
//! autodiff.

use super::{config::NormPass, gpu};
use crate::kernels::{
    cpu_loops::{block_rows, by_rows_of_two, in_order, map, sum_of, tensor, total, values},
    dropout::{DropoutOps, Dropped},
    formats::{cast, full},
    launch::binds,
};
use burn::{
    backend::{
        Backend, Flex, TensorMetadata, backend_extension, tensor::FloatTensor, wgpu::CubeBackend,
    },
    tensor::{DType, Shape, TensorData},
};

/// The operation and its gradients; rows are `[rows, columns]`, γ and β `[columns]`.
#[backend_extension(Cube, Flex)]
pub trait LayerNormKernels: DropoutOps {
    /// Returns the result and each row's mean and inverse standard deviation, `[rows, 2]`.
    fn layer_norm_with_state(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Returns the gradient of `x`, given the result's; the same gradient with the dropout mask
    /// applied, for the summand of `x` that was dropped from; and partial sums of the gradients of
    /// γ and β, `[2 · shares, columns]` with those of γ first.
    fn layer_norm_backward(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        dropped: Option<Dropped>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Plain-tensor reference.
fn reference<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let format = x.dtype();
    let row = |vector: FloatTensor<B>| {
        let columns = vector.shape()[0];
        B::float_reshape(vector, Shape::new([1, columns]))
    };
    let x = full::<B>(x);
    let mean = B::float_mean_dim(x.clone(), 1);
    let distance = B::float_sub(x, mean.clone());
    let square = B::float_mul(distance.clone(), distance.clone());
    let variance = B::float_mean_dim(square, 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    let inverse = B::float_recip(deviation);
    let normal = B::float_mul(distance, inverse.clone());
    let y = B::float_add(B::float_mul(normal, row(gamma)), row(beta));
    let moments = B::float_cat(vec![mean, inverse], 1);
    (cast::<B>(y, format), moments)
}

fn backward_reference<B: Backend>(
    x: FloatTensor<B>,
    moments: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let format = x.dtype();
    let columns = gamma.shape()[0];
    let column = |number: i64| {
        let index = TensorData::new(vec![number], [1]);
        let index = B::int_from_data(index, &moments.device());
        B::float_select(moments.clone(), 1, index)
    };
    let (mean, inverse) = (column(0), column(1));
    let normal = B::float_mul(B::float_sub(full::<B>(x), mean), inverse.clone());
    let grad = full::<B>(grad);
    let slope = B::float_mul(grad.clone(), normal.clone());
    let over_rows = |tensor| B::float_sum_dim(tensor, 0);
    let shares = B::float_cat(vec![over_rows(slope), over_rows(grad.clone())], 0);
    let gamma = B::float_reshape(gamma, Shape::new([1, columns]));
    let g = B::float_mul(grad, gamma);
    let along = B::float_mean_dim(B::float_mul(g.clone(), normal.clone()), 1);
    let centred = B::float_sub(g.clone(), B::float_mean_dim(g, 1));
    let centred = B::float_sub(centred, B::float_mul(normal, along));
    let x_grad = cast::<B>(B::float_mul(centred, inverse), format);
    (x_grad, shares)
}

/// Returns the gradient of `x`, the same with the dropout mask applied, and the partial sums for γ
/// and β.
fn with_dropped<B: DropoutOps>(
    (x_grad, shares): (FloatTensor<B>, FloatTensor<B>),
    dropped: Option<Dropped>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let dropped_grad = match dropped {
        None => x_grad.clone(),
        Some(Dropped { sequences, mask }) => B::packed_dropout(x_grad.clone(), sequences, mask),
    };
    (x_grad, dropped_grad, shares)
}

impl LayerNormKernels for Flex {
    fn layer_norm_with_state(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if x.dtype() != DType::F32 {
            return reference::<Self>(x, gamma, beta, epsilon);
        }
        let inputs = [x, gamma, beta].map(in_order);
        let [rows, gammas, betas] = inputs.each_ref().map(values);
        let (shape, columns) = (inputs[0].shape(), gammas.len());
        let mut y = vec![0.0; rows.len()];
        let mut moments = vec![0.0; 2 * shape[0]];
        let epsilon = epsilon as f32;
        by_rows_of_two(
            [&mut y, &mut moments],
            [columns, 2],
            #[inline(always)]
            |first, [y, moments]| {
                let rows = rows[first * columns..].chunks_exact(columns);
                let lines = y.chunks_exact_mut(columns).zip(moments.chunks_exact_mut(2));
                for (row, (y, moments)) in rows.zip(lines) {
                    let mean = total(row, row, |x, _| x) / columns as f32;
                    let variance = total(row, row, |x, _| (x - mean) * (x - mean)) / columns as f32;
                    let inverse = 1.0 / (variance + epsilon).sqrt();
                    for (((y, x), gamma), beta) in y.iter_mut().zip(row).zip(gammas).zip(betas) {
                        *y = (x - mean) * inverse * gamma + beta;
                    }
                    moments.copy_from_slice(&[mean, inverse]);
                }
            },
        );
        let moments = tensor(moments, Shape::new([shape[0], 2]));
        (tensor(y, shape), moments)
    }

    fn layer_norm_backward(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        dropped: Option<Dropped>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match x.dtype() {
            DType::F32 => backward_loop([x, moments, gamma, grad], dropped),
            _ => with_dropped::<Self>(backward_reference::<Self>(x, moments, gamma, grad), dropped),
        }
    }
}

/// Same as [`LayerNormKernels::layer_norm_backward`], in one pass over the rows, given `x`,
/// moments, γ and the result's gradient in f32.
fn backward_loop(
    inputs: [FloatTensor<Flex>; 4],
    dropped: Option<Dropped>,
) -> (FloatTensor<Flex>, FloatTensor<Flex>, FloatTensor<Flex>) {
    let inputs = inputs.map(in_order);
    let [rows, pairs, gammas, grads] = inputs.each_ref().map(values);
    let x = &inputs[0];
    let columns = gammas.len();
    let mut x_grads = vec![0.0; rows.len()];
    let block = block_rows(columns) * columns;
    let blocks = rows
        .chunks(block)
        .zip(grads.chunks(block))
        .zip(pairs.chunks(2 * block / columns))
        .zip(x_grads.chunks_mut(block));
    // Each block's partial sums of the gradients of γ and β.
    let shares = map(
        blocks,
        #[inline(always)]
        |(((rows, grads), pairs), x_grads)| {
            let [mut gamma_grad, mut beta_grad, mut normal, mut g] =
                [(); 4].map(|()| vec![0.0; columns]);
            let rows = rows
                .chunks_exact(columns)
                .zip(grads.chunks_exact(columns))
                .zip(pairs.chunks_exact(2))
                .zip(x_grads.chunks_exact_mut(columns));
            for (((row, grad), moments), x_grad) in rows {
                let (mean, inverse) = (moments[0], moments[1]);
                for (normal, x) in normal.iter_mut().zip(row) {
                    *normal = (x - mean) * inverse;
                }
                for ((g, grad), gamma) in g.iter_mut().zip(grad).zip(gammas) {
                    *g = grad * gamma;
                }
                for ((slope, grad), normal) in gamma_grad.iter_mut().zip(grad).zip(&normal) {
                    *slope += grad * normal;
                }
                for (sum, grad) in beta_grad.iter_mut().zip(grad) {
                    *sum += grad;
                }
                let middle = total(&g, &g, |g, _| g) / columns as f32;
                let along = total(&g, &normal, |g, normal| g * normal) / columns as f32;
                for ((x_grad, g), normal) in x_grad.iter_mut().zip(&g).zip(&normal) {
                    *x_grad = (g - middle - normal * along) * inverse;
                }
            }
            (gamma_grad, beta_grad)
        },
    );
    let (gamma_shares, beta_shares) = shares.into_iter().unzip();
    let sums = [gamma_shares, beta_shares].map(|shares| sum_of(shares, columns));
    let shares = tensor(sums.concat(), Shape::new([2, columns]));
    with_dropped::<Flex>((tensor(x_grads, x.shape()), shares), dropped)
}

impl LayerNormKernels for CubeBackend {
    fn layer_norm_with_state(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match gpu::fitting(&x) {
            None => reference::<Self>(x, gamma, beta, epsilon),
            Some(element) => gpu::forward(element, [x, gamma, beta], epsilon),
        }
    }

    fn layer_norm_backward(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        dropped: Option<Dropped>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let Some(element) = gpu::fitting(&x).filter(|_| x.dtype == grad.dtype) else {
            let gradients = backward_reference::<Self>(x, moments, gamma, grad);
            return with_dropped::<Self>(gradients, dropped);
        };
        let at_once = dropped.as_ref().filter(|_| binds(&x, NormPass::ARRAYS));
        let inputs = [x, moments, gamma, grad];
        if dropped.is_some() == at_once.is_some() {
            return gpu::backward(element, inputs, at_once);
        }
        let (x_grad, _, shares) = gpu::backward(element, inputs, None);
        with_dropped::<Self>((x_grad, shares), dropped)
    }
}
