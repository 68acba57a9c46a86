//! The erf GELU, `x · Φ(x)`, exact in both directions.
//!
//! Burn's own `gelu` has an exact forward pass on every backend, but on the GPU its gradient is
//! that of the tanh approximation (off by up to 1e-3). Here the forward pass keeps only `x`, and
//! the gradient is `Φ(x) + x · φ(x)` everywhere.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
        backend_extension,
        flex::FlexTensor,
        ops::ActivationOps,
        tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::TensorData,
};
use pulp::Arch;

use super::normal::{density, distribution};

/// GELU and its gradient as backend operations.
#[backend_extension(Cube, Flex, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait GeluOps: Backend {
    #[fusion(dtype = x, shape = x)]
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// `grad · (Φ(x) + x · φ(x))`
    #[fusion(dtype = x, shape = x)]
    fn erf_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        // Φ(x) = (1 + erf(x / √2)) / 2
        let distribution = Self::float_erf(Self::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into()));
        let distribution =
            Self::float_mul_scalar(Self::float_add_scalar(distribution, 1.0.into()), 0.5.into());
        // φ(x) = exp(−x² / 2) / √(2π)
        let square = Self::float_mul(x.clone(), x.clone());
        let density = Self::float_exp(Self::float_mul_scalar(square, (-0.5).into()));
        let density = Self::float_mul_scalar(density, (1.0 / (2.0 * PI).sqrt()).into());
        let slope = Self::float_add(distribution, Self::float_mul(x, density));
        Self::float_mul(grad, slope)
    }
}

impl GeluOps for Flex {
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        match x.as_slice::<f32>() {
            None => Self::gelu(x),
            Some(values) => {
                let mut y = vec![0.0; values.len()];
                Arch::new().dispatch(|| {
                    for (y, &x) in y.iter_mut().zip(values) {
                        *y = x * distribution(x);
                    }
                });
                FlexTensor::from_data(TensorData::new(y, x.shape()))
            }
        }
    }

    fn erf_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        match (x.as_slice::<f32>(), grad.as_slice::<f32>()) {
            (Some(values), Some(grads)) => {
                let mut dx = vec![0.0; values.len()];
                Arch::new().dispatch(|| {
                    for ((dx, &x), &grad) in dx.iter_mut().zip(values).zip(grads) {
                        *dx = grad * (distribution(x) + x * density(x));
                    }
                });
                FlexTensor::from_data(TensorData::new(dx, x.shape()))
            }
            _ => Self::gelu_backward(x, grad),
        }
    }
}

impl GeluOps for CubeBackend {}

impl<B: GeluOps, C: CheckpointStrategy> GeluOps for Autodiff<B, C> {
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ErfGelu;

        impl<B: GeluOps> Backward<B, 1> for ErfGelu {
            type State = B::FloatTensorPrimitive;

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let x = ops.state;
                unary::<B, _>(ops.parents, ops.node, grads, |grad| {
                    B::erf_gelu_backward(x, grad)
                });
            }
        }

        let node = x.node();
        let value = x.into_primitive();
        match ErfGelu.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let output = B::erf_gelu(value.clone());
                prep.finish(value, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::erf_gelu(value)),
        }
    }
}

/// `x · Φ(x)` element by element, differentiable.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::erf_gelu(x.into_dispatch()))
}
