//! The products of a dense layer, forward and backward, each with what follows it in one pass.
//!
//! What follows a product (bias, GELU, dropout and residual, a sum) is done before the product is
//! stored, so that no matrix is written and read again for it. Operands may be f32 or f16, sums are
//! f32. All without autodiff; [`dense`](crate::kernels::dense) is differentiable.

use burn::{
    backend::{
        Backend, TensorMetadata, backend_extension, ops::FloatTensorOps, tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::Shape,
};

use crate::kernels::{
    dropout::{DropoutOps, Dropped},
    formats::{Element, cast, full},
    gelu::GeluOps,
    matmul::{
        EpilogueTensors, MatmulTilings,
        config::{MatmulTiling, Orientation},
        matmul,
    },
};

/// Products of rows `x` `[rows, in]` with a kernel `[in, out]` of the same format, and of a gradient
/// `grad` `[rows, out]`. Results have the format of the rows unless said otherwise; a bias `[out]`
/// is f32.
#[backend_extension(Cube, Flex)]
pub trait DenseMatmuls: GeluOps + DropoutOps {
    /// `x · kernel + bias`, `[rows, out]`
    fn dense_forward(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self>;

    /// `GELU(x · kernel + bias)`, `[rows, out]`
    fn dense_gelu(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self>;

    /// The same, and the values before GELU.
    fn dense_gelu_keeping(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `dropout(x · kernel + bias) + residual`, `[rows, out]`
    fn dense_residual(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        dropped: Option<Dropped>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self>;

    /// Gradient of the rows, `[rows, in]`.
    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self>;

    /// The same added to `sum` `[rows, in]`, in place where no one else holds it.
    fn dense_input_gradient_onto(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        sum: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self>;

    /// Gradient of the values before a GELU whose results were the rows, `[rows, in]` each.
    fn dense_inner_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self>;

    /// Gradients of the kernel, `[in, out]`, and of the bias, `[out]`, in f32.
    fn dense_parameter_gradients(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn forward_reference<B: Backend>(
    x: FloatTensor<B>,
    kernel: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let format = x.dtype();
    let bias = B::float_reshape(bias, Shape::new([1, kernel.shape()[1]]));
    let product = B::float_matmul(full::<B>(x), full::<B>(kernel));
    cast::<B>(B::float_add(product, bias), format)
}

fn residual_reference<B: DropoutOps>(
    y: FloatTensor<B>,
    residual: FloatTensor<B>,
    dropped: Option<Dropped>,
) -> FloatTensor<B> {
    let y = match dropped {
        None => y,
        Some(Dropped { sequences, mask }) => B::packed_dropout(y, sequences, mask),
    };
    B::float_add(y, residual)
}

fn input_gradient_reference<B: Backend>(
    grad: FloatTensor<B>,
    kernel: FloatTensor<B>,
) -> FloatTensor<B> {
    let format = grad.dtype();
    let transposed = B::float_swap_dims(full::<B>(kernel), 0, 1);
    cast::<B>(B::float_matmul(full::<B>(grad), transposed), format)
}

fn parameter_gradients_reference<B: Backend>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let grad = full::<B>(grad);
    let transposed = B::float_swap_dims(full::<B>(x), 0, 1);
    let kernel = B::float_matmul(transposed, grad.clone());
    let columns = grad.shape()[1];
    let bias = B::float_reshape(B::float_sum_dim(grad, 0), Shape::new([columns]));
    (kernel, bias)
}

/// The tiling and the result's format where a shader computes this product.
fn shader(
    tilings: MatmulTilings,
    a: &FloatTensor<CubeBackend>,
    b: &FloatTensor<CubeBackend>,
    orientation: Orientation,
) -> Option<(MatmulTiling, Element)> {
    Some((tilings.fitting(a, b, orientation)?, Element::of(a.dtype)?))
}

impl DenseMatmuls for CubeBackend {
    fn dense_forward(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::Plain;
        match shader(tilings, &x, &kernel, orientation) {
            None => forward_reference::<Self>(x, kernel, bias),
            Some((tiling, result)) => {
                let bias = EpilogueTensors::Bias(bias);
                matmul(tiling, [x, kernel], orientation, result, bias).0
            }
        }
    }

    fn dense_gelu(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::Plain;
        match shader(tilings, &x, &kernel, orientation) {
            None => Self::erf_gelu(forward_reference::<Self>(x, kernel, bias)),
            Some((tiling, result)) => {
                let gelu = EpilogueTensors::Gelu { bias, kept: false };
                matmul(tiling, [x, kernel], orientation, result, gelu).0
            }
        }
    }

    fn dense_gelu_keeping(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let orientation = Orientation::Plain;
        match shader(tilings, &x, &kernel, orientation) {
            None => {
                let inner = forward_reference::<Self>(x, kernel, bias);
                (Self::erf_gelu(inner.clone()), inner)
            }
            Some((tiling, result)) => {
                let gelu = EpilogueTensors::Gelu { bias, kept: true };
                let (y, inner) = matmul(tiling, [x, kernel], orientation, result, gelu);
                (y, inner.expect("kept"))
            }
        }
    }

    fn dense_residual(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        dropped: Option<Dropped>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::Plain;
        match shader(tilings, &x, &kernel, orientation) {
            None => {
                let y = forward_reference::<Self>(x, kernel, bias);
                residual_reference::<Self>(y, residual, dropped)
            }
            Some((tiling, result)) => {
                let epilogue = EpilogueTensors::Residual {
                    bias,
                    residual,
                    dropped,
                };
                matmul(tiling, [x, kernel], orientation, result, epilogue).0
            }
        }
    }

    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::RightTransposed;
        match shader(tilings, &grad, &kernel, orientation) {
            None => input_gradient_reference::<Self>(grad, kernel),
            Some((tiling, result)) => {
                let operands = [grad, kernel];
                matmul(
                    tiling,
                    operands,
                    orientation,
                    result,
                    EpilogueTensors::Plain,
                )
                .0
            }
        }
    }

    fn dense_input_gradient_onto(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        sum: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::RightTransposed;
        match shader(tilings, &grad, &kernel, orientation) {
            None => Self::float_add(sum, input_gradient_reference::<Self>(grad, kernel)),
            Some((tiling, result)) => {
                let onto = EpilogueTensors::Onto(sum);
                matmul(tiling, [grad, kernel], orientation, result, onto).0
            }
        }
    }

    fn dense_inner_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::RightTransposed;
        match shader(tilings, &grad, &kernel, orientation) {
            None => Self::erf_gelu_backward(inner, input_gradient_reference::<Self>(grad, kernel)),
            Some((tiling, result)) => {
                let gradient = EpilogueTensors::GeluGradient(inner);
                matmul(tiling, [grad, kernel], orientation, result, gradient).0
            }
        }
    }

    fn dense_parameter_gradients(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let orientation = Orientation::LeftTransposed;
        let Some((tiling, _)) = shader(tilings, &x, &grad, orientation) else {
            return parameter_gradients_reference::<Self>(x, grad);
        };
        let sums = EpilogueTensors::ColumnSums;
        let (kernel, bias) = matmul(tiling, [x, grad], orientation, Element::F32, sums);
        (kernel, bias.expect("asked for"))
    }
}
