//! A dense layer on rows as one differentiable operation: `y = x · W + b`.
//!
//! Operands are f32 or f16; sums are f32. With f16 operands the kernel exists twice, as the trained
//! f32 master and as its f16 copy; the gradient is that of the master, in f32. bf16 operands are
//! f32 values that the CPU rounds.

pub(super) mod cpu;
pub mod layer;
pub mod matmuls;
pub mod packed_kernel;
pub mod products;
pub mod three;

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension, tensor::FloatTensor, wgpu::CubeBackend,
    },
};

use self::{matmuls::DenseMatmuls, products::DenseProducts};
use super::autodiff::with_gradient;

/// A dense layer as a backend operation.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait DenseOps: Backend {
    /// Returns `x · kernel + bias`, `[rows, out]` in the format of `x`. `x` is `[rows, in]`,
    /// `kernel` `[in, out]` in the same format, and `bias` `[out]` in f32. `master` is the trained
    /// f32 kernel, of which `kernel` is a copy or the same tensor.
    fn dense(
        x: FloatTensor<Self>,
        master: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;
}

macro_rules! without_a_graph {
    ($($backend:ty),*) => {$(
        impl DenseOps for $backend {
            fn dense(
                x: FloatTensor<Self>,
                _master: FloatTensor<Self>,
                kernel: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                products: DenseProducts,
            ) -> FloatTensor<Self> {
                Self::dense_forward(x, kernel, bias, products)
            }
        }
    )*};
}

without_a_graph!(Flex, CubeBackend);

impl<B: DenseOps + DenseMatmuls, C: CheckpointStrategy> DenseOps for Autodiff<B, C> {
    fn dense(
        x: FloatTensor<Self>,
        master: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), master.node(), bias.node()];
        let [x, kernel, bias] = [x, kernel, bias].map(|tensor| tensor.into_primitive());
        let y = B::dense_forward(x.clone(), kernel.clone(), bias, products.clone());
        with_gradient::<B, C, _, _>(
            nodes,
            y,
            || (x, kernel, products),
            |(x, kernel, products), grad, [input, master, bias]| {
                let (master, bias) = (master || bias)
                    .then(|| B::dense_parameter_gradients(x, grad.clone(), products.clone()))
                    .unzip();
                let input = input.then(|| B::dense_input_gradient(grad, kernel, products));
                [input, master, bias]
            },
        )
    }
}

/// A weight matrix `[in, out]` and how its matmuls are computed.
#[derive(Debug, Clone)]
pub struct Weight {
    /// Trained, in f32.
    pub master: Tensor<2>,
    /// The f16 copy, if the matmuls use one.
    pub half: Option<Tensor<2>>,
    pub products: DenseProducts,
}

/// Computes a dense layer, `x` `[rows, in]` → `[rows, out]` in the same format, differentiable in
/// `x`, `weight.master` and `bias` `[out]`. Rows in f16 need the weight's f16 copy.
pub fn dense(x: Tensor<2>, weight: Weight, bias: Tensor<1>) -> Tensor<2> {
    let master = weight.master;
    let operand = weight.half.unwrap_or_else(|| master.clone().detach());
    Tensor::from_dispatch(Dispatch::dense(
        x.into_dispatch(),
        master.into_dispatch(),
        operand.into_dispatch(),
        bias.into_dispatch(),
        weight.products,
    ))
}
