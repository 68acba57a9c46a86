//! A dense layer without autodiff: its values, and its products on tensors.

use burn::{Tensor, backend::Dispatch};

use super::{matmuls::DenseMatmuls, products::DenseProducts};
use crate::kernels::dropout::Dropped;

/// A dense layer's values as its products take them.
#[derive(Debug, Clone)]
pub struct DenseLayer {
    /// `[in, out]`, in the format of the rows.
    pub kernel: Tensor<2>,
    /// `[out]`, in f32.
    pub bias: Tensor<1>,
    pub products: DenseProducts,
}

impl DenseLayer {
    /// `[rows, in]` → `[rows, out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_forward(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            self.products.clone(),
        ))
    }

    /// The same with GELU: `[rows, in]` → `[rows, out]`.
    pub fn gelu(&self, x: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_gelu(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            self.products.clone(),
        ))
    }

    /// The same, and the values before GELU, `[rows, out]` each.
    pub fn gelu_keeping(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let (y, inner) = Dispatch::dense_gelu_keeping(
            x.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.bias.clone().into_dispatch(),
            self.products.clone(),
        );
        (Tensor::from_dispatch(y), Tensor::from_dispatch(inner))
    }

    /// `[rows, in]` → `[rows, out]`, with values dropped and then `residual` `[rows, out]` added.
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

    /// Gradient of the rows, `[rows, in]`, given the result's, `[rows, out]`.
    pub fn input_gradient(&self, grad: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_input_gradient(
            grad.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            self.products.clone(),
        ))
    }

    /// The same added to `sum` `[rows, in]`.
    pub fn input_gradient_onto(&self, grad: Tensor<2>, sum: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_input_gradient_onto(
            grad.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            sum.into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Gradient of the values `inner` before a GELU whose results were the rows, `[rows, in]` each,
    /// given the result's, `[rows, out]`.
    pub fn inner_gradient(&self, grad: Tensor<2>, inner: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::dense_inner_gradient(
            grad.into_dispatch(),
            self.kernel.clone().into_dispatch(),
            inner.into_dispatch(),
            self.products.clone(),
        ))
    }

    /// Gradients of the kernel, `[in, out]`, and of the bias, `[out]`, in f32, given the rows
    /// `[rows, in]` and the result's gradient `[rows, out]`.
    pub fn parameter_gradients(&self, x: Tensor<2>, grad: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (kernel, bias) = Dispatch::dense_parameter_gradients(
            x.into_dispatch(),
            grad.into_dispatch(),
            self.products.clone(),
        );
        (Tensor::from_dispatch(kernel), Tensor::from_dispatch(bias))
    }
}
