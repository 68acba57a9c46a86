//! The products of dense layers on the CPU; there too what follows a product is done in the same pass.

use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};

use super::matmuls::DenseMatmuls;
use crate::{
    kernels::{
        cpu_loops::{column_sums, in_order, tensor, values},
        dropout::Dropped,
        formats::{cast, full},
        gelu::GeluOps,
        matmul::{MatmulTilings, cpu::matmul},
        normal::{density, distribution},
    },
    packed::random::Mask,
};

impl DenseMatmuls for Flex {
    fn dense_forward(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let (format, columns) = (x.dtype(), kernel.shape()[1]);
        let bias = in_order(bias);
        let [x, kernel] = [x, kernel].map(full::<Self>);
        let y = matmul(
            x,
            kernel,
            #[inline(always)]
            |_, lines| {
                for line in lines.chunks_exact_mut(columns) {
                    for (y, bias) in line.iter_mut().zip(values(&bias)) {
                        *y += bias;
                    }
                }
            },
        );
        cast::<Self>(y, format)
    }

    fn dense_gelu(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let (format, columns) = (x.dtype(), kernel.shape()[1]);
        let bias = in_order(bias);
        let [x, kernel] = [x, kernel].map(full::<Self>);
        let y = matmul(
            x,
            kernel,
            #[inline(always)]
            |_, lines| {
                for line in lines.chunks_exact_mut(columns) {
                    for (y, bias) in line.iter_mut().zip(values(&bias)) {
                        let inner = *y + bias;
                        *y = inner * distribution(inner);
                    }
                }
            },
        );
        cast::<Self>(y, format)
    }

    fn dense_gelu_keeping(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let format = x.dtype();
        let inner = Self::dense_forward(full::<Self>(x), kernel, bias, tilings);
        let y = Self::erf_gelu(inner.clone());
        (cast::<Self>(y, format), cast::<Self>(inner, format))
    }

    fn dense_residual(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        dropped: Option<Dropped>,
        _tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let (format, columns) = (x.dtype(), kernel.shape()[1]);
        let [bias, residual] = [bias, residual].map(in_order);
        let [x, kernel] = [x, kernel].map(full::<Self>);
        let rows: Option<(Vec<u32>, Mask)> =
            dropped.map(|dropped| (dropped.sequences.row_words().collect(), dropped.mask));
        let y = matmul(
            x,
            kernel,
            #[inline(always)]
            |first, lines| {
                let residuals = values(&residual)[first * columns..].chunks_exact(columns);
                let lines = lines.chunks_exact_mut(columns).zip(residuals);
                for (row, (line, residuals)) in (first..).zip(lines) {
                    let values = line.iter_mut().zip(values(&bias)).zip(residuals);
                    match &rows {
                        None => {
                            for ((y, bias), residual) in values {
                                *y += bias + residual;
                            }
                        }
                        Some((rows, mask)) => {
                            for (column, ((y, bias), residual)) in values.enumerate() {
                                let factor = mask.factor(rows[row], column as u32);
                                *y = (*y + bias) * factor + residual;
                            }
                        }
                    }
                }
            },
        );
        cast::<Self>(y, format)
    }

    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        _tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let format = grad.dtype();
        cast::<Self>(
            input_gradient(
                grad,
                kernel,
                #[inline(always)]
                |_, _| {},
            ),
            format,
        )
    }

    fn dense_input_gradient_onto(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        sum: FloatTensor<Self>,
        _tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let (format, columns) = (sum.dtype(), kernel.shape()[0]);
        let sum = in_order(sum);
        let sum = input_gradient(
            grad,
            kernel,
            #[inline(always)]
            |first, lines| {
                for (value, sum) in lines.iter_mut().zip(&values(&sum)[first * columns..]) {
                    *value += sum;
                }
            },
        );
        cast::<Self>(sum, format)
    }

    fn dense_inner_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        _tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let (format, columns) = (inner.dtype(), kernel.shape()[0]);
        let inner = in_order(inner);
        let grad = input_gradient(
            grad,
            kernel,
            #[inline(always)]
            |first, lines| {
                for (grad, &x) in lines.iter_mut().zip(&values(&inner)[first * columns..]) {
                    *grad *= distribution(x) + x * density(x);
                }
            },
        );
        cast::<Self>(grad, format)
    }

    fn dense_parameter_gradients(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        _tilings: MatmulTilings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let grad = in_order(grad);
        let columns = grad.shape()[1];
        let bias = column_sums(values(&grad), columns);
        let transposed = Self::float_swap_dims(full::<Self>(x), 0, 1);
        let kernel = matmul(
            transposed,
            grad,
            #[inline(always)]
            |_, _| {},
        );
        (kernel, tensor(bias, Shape::new([columns])))
    }
}

/// `grad · kernelᵀ` in f32, and what follows it.
fn input_gradient(
    grad: FloatTensor<Flex>,
    kernel: FloatTensor<Flex>,
    epilogue: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    let transposed = Flex::float_swap_dims(full::<Flex>(kernel), 0, 1);
    matmul(full::<Flex>(grad), transposed, epilogue)
}
