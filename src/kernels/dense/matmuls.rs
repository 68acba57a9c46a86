//! Matmuls of a dense layer, forward and backward, each with a fused epilogue.
//!
//! The epilogue (bias, GELU, dropout and residual, accumulation) runs before the product is stored,
//! so no matrix is read and written again for it. Operands are f32 or f16 and sums are f32; the CPU
//! rounds operands to bf16 if told to. Nothing here uses autodiff; [`dense`](crate::kernels::dense)
//! is differentiable.

use burn::{
    backend::{
        TensorMetadata, backend_extension, ops::FloatTensorOps, tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::Shape,
};

use super::products::DenseProducts;
use crate::kernels::{
    dropout::{DropoutOps, Dropped},
    formats::{Element, cast, full},
    gelu::GeluOps,
    matmul::{EpilogueTensors, MatmulTilings, config::Orientation, extents, matmul},
    work,
};

/// Matmuls of rows `x` `[rows, in]` with a kernel `[in, out]` in the same format, and of a gradient
/// `grad` `[rows, out]`. Results have the format of the rows unless noted; a bias `[out]` is f32.
#[backend_extension(Cube, Flex)]
pub trait DenseMatmuls: GeluOps + DropoutOps {
    /// Returns `x · kernel + bias`, `[rows, out]`.
    fn dense_forward(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;

    /// Returns `GELU(x · kernel + bias)`, `[rows, out]`.
    fn dense_gelu(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;

    /// Same as [`dense_gelu`](Self::dense_gelu), and also returns the values before GELU.
    fn dense_gelu_keeping(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Returns `dropout(x · kernel + bias) + residual`, `[rows, out]`.
    fn dense_residual(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        dropped: Option<Dropped>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;

    /// Returns the gradient of the rows, `[rows, in]`.
    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;

    /// Adds the gradient of the rows to `sum` `[rows, in]`, in place if `sum` is not shared.
    fn dense_input_gradient_onto(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        sum: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;

    /// Returns the gradient of the values before the GELU that produced the rows, `[rows, in]`
    /// each.
    fn dense_inner_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self>;

    /// Returns the gradients of the kernel, `[in, out]`, and the bias, `[out]`, in f32.
    fn dense_parameter_gradients(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        products: DenseProducts,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// Same as [`matmul`], in plain tensors.
fn reference(
    [a, b]: [FloatTensor<CubeBackend>; 2],
    orientation: Orientation,
    epilogue: EpilogueTensors,
) -> (FloatTensor<CubeBackend>, Option<FloatTensor<CubeBackend>>) {
    type B = CubeBackend;
    let format = a.dtype();
    let [m, n, k] = extents(&a.shape(), &b.shape(), orientation);
    work::launching(&a.client, 2.0 * (m * n * k) as f64);
    let [a, b] = [a, b].map(full::<B>);
    let sums = match epilogue {
        EpilogueTensors::ColumnSums => Some(B::float_sum_dim(b.clone(), 0)),
        _ => None,
    };
    let [a, b] = match orientation {
        Orientation::Plain => [a, b],
        Orientation::LeftTransposed => [B::float_swap_dims(a, 0, 1), b],
        Orientation::RightTransposed => [a, B::float_swap_dims(b, 0, 1)],
    };
    let columns = b.shape()[1];
    let product = B::float_matmul(a, b);
    let plus_bias = |product, bias| {
        let bias = B::float_reshape(bias, Shape::new([1, columns]));
        cast::<B>(B::float_add(product, bias), format)
    };
    match epilogue {
        EpilogueTensors::Plain => (cast::<B>(product, format), None),
        EpilogueTensors::Bias(mut biases) => (plus_bias(product, biases.remove(0)), None),
        EpilogueTensors::Gelu { bias, kept } => {
            let inner = plus_bias(product, bias);
            let kept = kept.then(|| inner.clone());
            (B::erf_gelu(inner), kept)
        }
        EpilogueTensors::Residual {
            bias,
            residual,
            dropped,
        } => {
            let y = plus_bias(product, bias);
            let y = match dropped {
                None => y,
                Some(Dropped { sequences, mask }) => B::packed_dropout(y, sequences, mask),
            };
            (B::float_add(y, residual), None)
        }
        EpilogueTensors::GeluGradient(inner) => {
            let gradient = cast::<B>(product, format);
            (B::erf_gelu_backward(inner, gradient), None)
        }
        EpilogueTensors::Onto(sum) => (B::float_add(sum, cast::<B>(product, format)), None),
        EpilogueTensors::ColumnSums => {
            let vector = |sums| B::float_reshape(sums, Shape::new([columns]));
            (product, sums.map(vector))
        }
    }
}

/// Computes the products and the side results of [`matmul`], with a shader if one fits the operands
/// and in plain tensors otherwise. Results have the format of the left operands, except the
/// parameter gradients with their column sums, which are f32.
pub(super) fn fused(
    tilings: MatmulTilings,
    [left, right]: [Vec<FloatTensor<CubeBackend>>; 2],
    orientation: Orientation,
    epilogue: EpilogueTensors,
) -> [Vec<FloatTensor<CubeBackend>>; 2] {
    let result = match epilogue {
        EpilogueTensors::ColumnSums => Some(Element::F32),
        _ => Element::of(left[0].dtype()),
    };
    let tiling = tilings.fitting([&left, &right], orientation);
    if let Some((tiling, result)) = tiling.zip(result) {
        return matmul(tiling, [left, right], orientation, result, epilogue);
    }
    let operands = [left, right].map(|mut operands| operands.remove(0));
    let (product, beside) = reference(operands, orientation, epilogue);
    [vec![product], beside.into_iter().collect()]
}

/// Computes one product and its side result.
fn one(
    products: DenseProducts,
    operands: [FloatTensor<CubeBackend>; 2],
    orientation: Orientation,
    epilogue: EpilogueTensors,
) -> (FloatTensor<CubeBackend>, Option<FloatTensor<CubeBackend>>) {
    let operands = operands.map(|operand| vec![operand]);
    let [mut results, mut beside] = fused(products.tilings, operands, orientation, epilogue);
    (results.remove(0), beside.pop())
}

impl DenseMatmuls for CubeBackend {
    fn dense_forward(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        one(
            products,
            [x, kernel],
            Orientation::Plain,
            EpilogueTensors::Bias(vec![bias]),
        )
        .0
    }

    fn dense_gelu(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let gelu = EpilogueTensors::Gelu { bias, kept: false };
        one(products, [x, kernel], Orientation::Plain, gelu).0
    }

    fn dense_gelu_keeping(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let gelu = EpilogueTensors::Gelu { bias, kept: true };
        let (y, inner) = one(products, [x, kernel], Orientation::Plain, gelu);
        (y, inner.expect("asked for"))
    }

    fn dense_residual(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        dropped: Option<Dropped>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let residual = EpilogueTensors::Residual {
            bias,
            residual,
            dropped,
        };
        one(products, [x, kernel], Orientation::Plain, residual).0
    }

    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::RightTransposed;
        one(
            products,
            [grad, kernel],
            orientation,
            EpilogueTensors::Plain,
        )
        .0
    }

    fn dense_input_gradient_onto(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        sum: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let onto = EpilogueTensors::Onto(sum);
        one(products, [grad, kernel], Orientation::RightTransposed, onto).0
    }

    fn dense_inner_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let gradient = EpilogueTensors::GeluGradient(inner);
        one(
            products,
            [grad, kernel],
            Orientation::RightTransposed,
            gradient,
        )
        .0
    }

    fn dense_parameter_gradients(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        products: DenseProducts,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let sums = EpilogueTensors::ColumnSums;
        let (kernel, bias) = one(products, [x, grad], Orientation::LeftTransposed, sums);
        (kernel, bias.expect("asked for"))
    }
}
