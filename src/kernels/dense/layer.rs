//! A dense layer without autodiff: its parameters and its matmuls on tensors.

use burn::{Tensor, backend::Dispatch};

use super::{matmuls::DenseMatmuls, products::DenseProducts};
use crate::kernels::dropout::Dropped;

/// Parameters of a dense layer, in the form its matmuls need.
#[derive(Debug, Clone)]
pub struct DenseLayer {
    /// `[in, out]`, in the format of the rows.
    pub kernel: Tensor<2>,
    /// `[out]`, in f32.
    pub bias: Tensor<1>,
    pub products: DenseProducts,
}

impl DenseLayer {
    /// Computes `x · kernel + bias`: `[rows, in]` → `[rows, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_forward(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Computes `GELU(x · kernel + bias)`: `[rows, in]` → `[rows, out]`.
    pub fn gelu(&self, x: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_gelu(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Same as [`gelu`](Self::gelu), and also returns the values before GELU, `[rows, out]` each.
    pub fn gelu_keeping(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let (y, inner) = Dispatch::dense_gelu_keeping(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            self.products.clone(),
        );
        (Tensor::from_dispatch(y), Tensor::from_dispatch(inner))
    }

    /// Applies the layer, then dropout, then adds `residual` `[rows, out]`: `[rows, in]` →
    /// `[rows, out]`.
    pub fn residual(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        dropped: Option<Dropped>,
    ) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_residual(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            residual.into_dispatch(),
            dropped,
            self.products.clone(),
        ))
    }

    /// Returns the gradient of the rows, `[rows, in]`, given the result's, `[rows, out]`.
    pub fn input_gradient(&self, grad: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_input_gradient(
            grad.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Adds the gradient of the rows to `sum` `[rows, in]`.
    pub fn input_gradient_onto(&self, grad: Tensor<2>, sum: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_input_gradient_onto(
            grad.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            sum.into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Returns the gradient of `inner`, the values before the GELU that produced the rows,
    /// `[rows, in]` each, given the result's gradient, `[rows, out]`.
    pub fn inner_gradient(&self, grad: Tensor<2>, inner: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_inner_gradient(
            grad.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            inner.into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Returns the gradients of the kernel, `[in, out]`, and the bias, `[out]`, in f32, given the
    /// rows `[rows, in]` and the result's gradient `[rows, out]`.
    pub fn parameter_gradients(&self, x: Tensor<2>, grad: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (kernel, bias) = Dispatch::dense_parameter_gradients(
            x.into_dispatch(),
            grad.into_dispatch(),
            self.products.clone(),
        );
        (Tensor::from_dispatch(kernel), Tensor::from_dispatch(bias))
    }
}
