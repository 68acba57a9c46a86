//! Dropout, residual and layer normalisation as one operation: `y = LN(dropout(x) + residual)`.
//!
//! The backward pass needs the sum before the normalisation and each row's two moments; the
//! normalised values are computed again. Rows may be f32 or f16, γ and β are f32, and so is all
//! arithmetic.

use burn::{
    Tensor,
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::{DType, Shape, TensorData},
};
use pulp::Arch;

use super::{
    add_norm_shaders as shaders,
    dense::{cast, full},
    dropout::DropoutOps,
    shader::Element,
};
use crate::model::{packing::Sequences, random::Mask};

/// What a normalisation runs with besides its tensors.
#[derive(Debug, Clone)]
pub struct Norm {
    /// Added to the variance.
    pub epsilon: f64,
    pub sequences: Sequences,
    /// Dropout of `x`.
    pub mask: Option<Mask>,
}

/// The operation and its gradients; rows are `[tokens, columns]`, γ and β `[columns]`.
#[backend_extension(Cube, Flex, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait AddNormOps: DropoutOps {
    /// The result, the sum before the normalisation, and each row's mean and inverse deviation,
    /// `[tokens, 2]`.
    #[fusion(meta = |x, _residual, gamma, _beta, _norm| {
        let mut moments = gamma.clone();
        moments.shape = burn::tensor::Shape::new([x.shape[0], 2]);
        (x.clone(), x.clone(), moments)
    })]
    fn add_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        twin::<Self>(x, residual, gamma, beta, norm)
    }

    /// Gradients of the sum, γ and β.
    #[fusion(meta = |sum, _moments, gamma, _grad| (sum.clone(), gamma.clone(), gamma.clone()))]
    fn add_norm_backward(
        sum: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        backward_twin::<Self>(sum, moments, gamma, grad)
    }
}

/// In plain tensors.
fn twin<B: DropoutOps>(
    x: FloatTensor<B>,
    residual: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    norm: Norm,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let format = x.dtype();
    let row = |vector: FloatTensor<B>| {
        let columns = vector.shape()[0];
        B::float_reshape(vector, Shape::new([1, columns]))
    };
    let x = full::<B>(x);
    let x = match norm.mask {
        None => x,
        Some(mask) => B::packed_dropout(x, norm.sequences, mask),
    };
    let sum = cast::<B>(B::float_add(x, full::<B>(residual)), format);
    let values = full::<B>(sum.clone());
    let mean = B::float_mean_dim(values.clone(), 1);
    let distance = B::float_sub(values, mean.clone());
    let square = B::float_mul(distance.clone(), distance.clone());
    let variance = B::float_mean_dim(square, 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, norm.epsilon.into()));
    let inverse = B::float_recip(deviation);
    let normal = B::float_mul(distance, inverse.clone());
    let y = B::float_add(B::float_mul(normal, row(gamma)), row(beta));
    let moments = B::float_cat(vec![mean, inverse], 1);
    (cast::<B>(y, format), sum, moments)
}

fn backward_twin<B: Backend>(
    sum: FloatTensor<B>,
    moments: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let format = sum.dtype();
    let columns = gamma.shape();
    let column = |number: i64| {
        let index = TensorData::new(vec![number], [1]);
        let index = B::int_from_data(index, &moments.device());
        B::float_select(moments.clone(), 1, index)
    };
    let (mean, inverse) = (column(0), column(1));
    let normal = B::float_mul(B::float_sub(full::<B>(sum), mean), inverse.clone());
    let grad = full::<B>(grad);
    let slope = B::float_mul(grad.clone(), normal.clone());
    let over_rows = |tensor| B::float_reshape(B::float_sum_dim(tensor, 0), columns.clone());
    let (gamma_grad, beta_grad) = (over_rows(slope), over_rows(grad.clone()));
    let gamma = B::float_reshape(gamma, Shape::new([1, columns[0]]));
    let g = B::float_mul(grad, gamma);
    let along = B::float_mean_dim(B::float_mul(g.clone(), normal.clone()), 1);
    let centred = B::float_sub(g.clone(), B::float_mean_dim(g, 1));
    let centred = B::float_sub(centred, B::float_mul(normal, along));
    let sum_grad = cast::<B>(B::float_mul(centred, inverse), format);
    (sum_grad, gamma_grad, beta_grad)
}

impl AddNormOps for Flex {
    fn add_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if x.dtype() != DType::F32 {
            return twin::<Self>(x, residual, gamma, beta, norm);
        }
        let inputs = [x, residual, gamma, beta].map(|tensor| tensor.to_contiguous());
        let [values, residuals, gammas, betas] = inputs.each_ref().map(values);
        let x = &inputs[0];
        let (shape, columns) = (x.shape(), gammas.len());
        let mut sum = values.to_vec();
        let mut y = vec![0.0; sum.len()];
        let mut moments = Vec::with_capacity(2 * shape[0]);
        Arch::new().dispatch(|| {
            let rows = sum
                .chunks_exact_mut(columns)
                .zip(residuals.chunks_exact(columns))
                .zip(y.chunks_exact_mut(columns))
                .zip(norm.sequences.row_words());
            for (((sum, residual), y), word) in rows {
                if let Some(mask) = norm.mask {
                    for (column, value) in sum.iter_mut().enumerate() {
                        *value *= mask.factor(word, column as u32);
                    }
                }
                for (value, residual) in sum.iter_mut().zip(residual) {
                    *value += residual;
                }
                let mean = total(sum, sum, |x, _| x) / columns as f32;
                let variance = total(sum, sum, |x, _| (x - mean) * (x - mean)) / columns as f32;
                let inverse = 1.0 / (variance + norm.epsilon as f32).sqrt();
                for (((y, x), gamma), beta) in y.iter_mut().zip(&*sum).zip(gammas).zip(betas) {
                    *y = (x - mean) * inverse * gamma + beta;
                }
                moments.extend([mean, inverse]);
            }
        });
        let tensor = |values, shape: Shape| FlexTensor::from_data(TensorData::new(values, shape));
        let moments = tensor(moments, Shape::new([shape[0], 2]));
        (tensor(y, shape.clone()), tensor(sum, shape), moments)
    }

    fn add_norm_backward(
        sum: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if sum.dtype() != DType::F32 {
            return backward_twin::<Self>(sum, moments, gamma, grad);
        }
        let inputs = [sum, moments, gamma, grad].map(|tensor| tensor.to_contiguous());
        let [sums, pairs, gammas, grads] = inputs.each_ref().map(values);
        let [sum, _, gamma, _] = &inputs;
        let columns = gammas.len();
        let mut sum_grads = vec![0.0; sums.len()];
        let (mut gamma_grad, mut beta_grad) = (vec![0.0; columns], vec![0.0; columns]);
        let (mut normal, mut g) = (vec![0.0; columns], vec![0.0; columns]);
        Arch::new().dispatch(|| {
            let rows = sums
                .chunks_exact(columns)
                .zip(grads.chunks_exact(columns))
                .zip(pairs.chunks_exact(2))
                .zip(sum_grads.chunks_exact_mut(columns));
            for (((sum, grad), moments), sum_grad) in rows {
                let (mean, inverse) = (moments[0], moments[1]);
                for (normal, x) in normal.iter_mut().zip(sum) {
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
                for ((sum_grad, g), normal) in sum_grad.iter_mut().zip(&g).zip(&normal) {
                    *sum_grad = (g - middle - normal * along) * inverse;
                }
            }
        });
        let tensor = |values, shape: Shape| FlexTensor::from_data(TensorData::new(values, shape));
        (
            tensor(sum_grads, sum.shape()),
            tensor(gamma_grad, gamma.shape()),
            tensor(beta_grad, gamma.shape()),
        )
    }
}

fn values(tensor: &FloatTensor<Flex>) -> &[f32] {
    tensor.as_slice::<f32>().expect("f32")
}

/// Σ `term` over the values of two slices, in partial sums that fit vector registers.
#[inline(always)]
fn total(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (heads, tails) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = heads.remainder().iter().zip(tails.remainder());
    let rest: f32 = rest.map(|(&a, &b)| term(a, b)).sum();
    for (a, b) in heads.zip(tails) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a, b);
        }
    }
    sums.iter().sum::<f32>() + rest
}

impl AddNormOps for CubeBackend {
    fn add_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match Element::of(x.dtype).filter(|_| x.dtype == residual.dtype) {
            None => twin::<Self>(x, residual, gamma, beta, norm),
            Some(element) => shaders::forward(element, [x, residual, gamma, beta], &norm),
        }
    }

    fn add_norm_backward(
        sum: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match Element::of(sum.dtype).filter(|_| sum.dtype == grad.dtype) {
            None => backward_twin::<Self>(sum, moments, gamma, grad),
            Some(element) => shaders::backward(element, [sum, moments, gamma, grad]),
        }
    }
}

impl<B: AddNormOps, C: CheckpointStrategy> AddNormOps for Autodiff<B, C> {
    fn add_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct AddNorm;

        /// Sum, moments, γ, and what the mask was.
        type State<B> = ([FloatTensor<B>; 3], Norm);

        impl<B: AddNormOps> Backward<B, 4> for AddNorm {
            type State = State<B>;

            fn backward(
                self,
                ops: Ops<Self::State, 4>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let ([sum, moments, gamma], norm) = ops.state;
                let (sum_grad, gamma_grad, beta_grad) =
                    B::add_norm_backward(sum, moments, gamma, grad);
                let [x, residual, gamma, beta] = ops.parents;
                if let Some(node) = x {
                    let gradient = match norm.mask {
                        None => sum_grad.clone(),
                        Some(mask) => B::packed_dropout(sum_grad.clone(), norm.sequences, mask),
                    };
                    grads.register::<B>(node.id, gradient);
                }
                let rest = [(residual, sum_grad), (gamma, gamma_grad), (beta, beta_grad)];
                for (parent, gradient) in rest {
                    if let Some(node) = parent {
                        grads.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let nodes = [x.node(), residual.node(), gamma.node(), beta.node()];
        let [x, residual, gamma, beta] =
            [x, residual, gamma, beta].map(|tensor| tensor.into_primitive());
        let (y, sum, moments) = B::add_norm(x, residual, gamma.clone(), beta, norm.clone());
        let constant = |tensor: &FloatTensor<B>| Self::from_inner(tensor.clone());
        let (sum_out, moments_out) = (constant(&sum), constant(&moments));
        let y = match AddNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(([sum, moments, gamma], norm), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        };
        (y, sum_out, moments_out)
    }

    fn add_norm_backward(
        _sum: FloatTensor<Self>,
        _moments: FloatTensor<Self>,
        _gamma: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients are computed outside the graph")
    }
}

/// `LN(dropout(x) + residual) · γ + β` of rows `[tokens, columns]`, differentiable in all four.
pub fn add_norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    norm: Norm,
) -> Tensor<2> {
    let (y, _, _) = Dispatch::add_norm(
        x.into_dispatch(),
        residual.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        norm,
    );
    Tensor::from_dispatch(y)
}
