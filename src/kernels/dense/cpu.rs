//! Matmuls of dense layers on the CPU, each with its epilogue in the same pass.

use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};
use pulp::Arch;

use super::{matmuls::DenseMatmuls, products::DenseProducts};
use crate::{
    kernels::{
        cpu_loops::{column_sums, in_order, tensor, values},
        dropout::Dropped,
        formats::{cast, full},
        gelu::GeluOps,
        matmul::{
            bf16::{Matrix, Packed, Side, product},
            cpu::matmul,
        },
        normal::{density, distribution},
    },
    packed::random::Mask,
};

impl DenseMatmuls for Flex {
    fn dense_forward(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let format = x.dtype();
        let bias = in_order(bias);
        let bias = values(&bias);
        let y = forward(
            x,
            kernel,
            &products,
            #[inline(always)]
            |_, column, line| add_bias(bias, column, line),
        );
        cast::<Self>(y, format)
    }

    fn dense_gelu(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let format = x.dtype();
        let bias = in_order(bias);
        let bias = values(&bias);
        let y = forward(
            x,
            kernel,
            &products,
            #[inline(always)]
            |_, column, line| {
                for (y, bias) in line.iter_mut().zip(&bias[column..]) {
                    let inner = *y + bias;
                    *y = inner * distribution(inner);
                }
            },
        );
        cast::<Self>(y, format)
    }

    fn dense_gelu_keeping(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: DenseProducts,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let format = x.dtype();
        let inner = Self::dense_forward(full::<Self>(x), kernel, bias, products);
        let y = Self::erf_gelu(inner.clone());
        (cast::<Self>(y, format), cast::<Self>(inner, format))
    }

    fn dense_residual(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        dropped: Option<Dropped>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let (format, columns) = (x.dtype(), kernel.shape()[1]);
        let [bias, residual] = [bias, residual].map(in_order);
        let [bias, residual] = [values(&bias), values(&residual)];
        let rows: Option<(Vec<u32>, Mask)> =
            dropped.map(|dropped| (dropped.sequences.row_words().collect(), dropped.mask));
        let y = forward(
            x,
            kernel,
            &products,
            #[inline(always)]
            |row, column, line| {
                let residuals = &residual[row * columns + column..];
                let bias = &bias[column..];
                let values = line.iter_mut().zip(bias).zip(residuals);
                match &rows {
                    None => {
                        for ((y, bias), residual) in values {
                            *y += bias + residual;
                        }
                    }
                    Some((rows, mask)) => {
                        for (column, ((y, bias), residual)) in (column..).zip(values) {
                            let factor = mask.factor(rows[row], column as u32);
                            *y = (*y + bias) * factor + residual;
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
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let format = grad.dtype();
        cast::<Self>(
            input_gradient(
                grad,
                kernel,
                &products,
                #[inline(always)]
                |_, _, _| {},
            ),
            format,
        )
    }

    fn dense_input_gradient_onto(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        sum: FloatTensor<Self>,
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let (format, columns) = (sum.dtype(), kernel.shape()[0]);
        let sum = in_order(sum);
        let sums = values(&sum);
        let sum = input_gradient(
            grad,
            kernel,
            &products,
            #[inline(always)]
            |row, column, line| {
                let sums = &sums[row * columns + column..];
                for (value, sum) in line.iter_mut().zip(sums) {
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
        products: DenseProducts,
    ) -> FloatTensor<Self> {
        let (format, columns) = (inner.dtype(), kernel.shape()[0]);
        let inner = in_order(inner);
        let inner = values(&inner);
        let grad = input_gradient(
            grad,
            kernel,
            &products,
            #[inline(always)]
            |row, column, line| {
                let inner = &inner[row * columns + column..];
                for (grad, &x) in line.iter_mut().zip(inner) {
                    *grad *= distribution(x) + x * density(x);
                }
            },
        );
        cast::<Self>(grad, format)
    }

    fn dense_parameter_gradients(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        products: DenseProducts,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let grad = in_order(grad);
        let columns = grad.shape()[1];
        let bias = column_sums(values(&grad), columns);
        let bias = tensor(bias, Shape::new([columns]));
        let kernel = match &products.packed {
            None => matmul(
                Self::float_swap_dims(full::<Self>(x), 0, 1),
                grad,
                #[inline(always)]
                |_, _| {},
            ),
            Some(packed) => {
                let x = in_order(x);
                let instructions = packed.instructions;
                Packed::with(instructions, matrix(&grad), Side::Right, |grad| {
                    of_rows(matrix(&x).transposed(), grad, |_, _, _| {})
                })
            }
        };
        (kernel, bias)
    }
}

/// Computes the forward matmuls of three layers on the same rows, packing the rows only once;
/// `None` if the layers do not multiply in bf16.
pub(super) fn forward_of_three(
    x: &FloatTensor<Flex>,
    kernels: &[FloatTensor<Flex>; 3],
    biases: &[FloatTensor<Flex>; 3],
    products: &[DenseProducts; 3],
) -> Option<[FloatTensor<Flex>; 3]> {
    let instructions = products[0].packed.as_ref()?.instructions;
    let format = x.dtype();
    let x = in_order(x.clone());
    Packed::with(instructions, matrix(&x), Side::Left, |rows| {
        let one = |place: usize| {
            let [kernel, bias] = [&kernels[place], &biases[place]].map(|t| in_order(t.clone()));
            let bias = values(&bias);
            let packed = products[place].packed.as_ref()?;
            let y = of_packed(
                rows,
                packed.forward(matrix(&kernel)),
                #[inline(always)]
                |_, column, line| add_bias(bias, column, line),
            );
            Some(cast::<Flex>(y, format))
        };
        Some([one(0)?, one(1)?, one(2)?])
    })
}

/// Adds the matching part of the bias to a piece of a row that begins at `column`.
#[inline(always)]
fn add_bias(bias: &[f32], column: usize, line: &mut [f32]) {
    for (y, bias) in line.iter_mut().zip(&bias[column..]) {
        *y += bias;
    }
}

/// Returns `x · kernel` in f32; `finish` is called on each piece of a row with the indices of the
/// row and of the piece's first column.
fn forward(
    x: FloatTensor<Flex>,
    kernel: FloatTensor<Flex>,
    products: &DenseProducts,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    match &products.packed {
        None => whole_rows(full::<Flex>(x), full::<Flex>(kernel), finish),
        Some(packed) => {
            let [x, kernel] = [x, kernel].map(in_order);
            of_rows(matrix(&x), packed.forward(matrix(&kernel)), finish)
        }
    }
}

/// Returns `grad · kernelᵀ` in f32, with `finish` called as in [`forward`].
fn input_gradient(
    grad: FloatTensor<Flex>,
    kernel: FloatTensor<Flex>,
    products: &DenseProducts,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    match &products.packed {
        None => {
            let transposed = Flex::float_swap_dims(full::<Flex>(kernel), 0, 1);
            whole_rows(full::<Flex>(grad), transposed, finish)
        }
        Some(packed) => {
            let [grad, kernel] = [grad, kernel].map(in_order);
            of_rows(matrix(&grad), packed.backward(matrix(&kernel)), finish)
        }
    }
}

/// Multiplies `a · b` with f32 operands; the pieces are whole rows.
fn whole_rows(
    a: FloatTensor<Flex>,
    b: FloatTensor<Flex>,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    let columns = b.shape()[1];
    matmul(
        a,
        b,
        #[inline(always)]
        |first, lines| {
            for (row, line) in (first..).zip(lines.chunks_exact_mut(columns)) {
                finish(row, 0, line);
            }
        },
    )
}

/// Multiplies `rows · right` with bf16 operands.
fn of_rows(
    rows: Matrix<'_>,
    right: &Packed,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    Packed::with(right.instructions, rows, Side::Left, |left| {
        of_packed(left, right, finish)
    })
}

/// Same as [`of_rows`], with rows that are packed already.
fn of_packed(
    left: &Packed,
    right: &Packed,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    let finish = |row, column, line: &mut [f32]| {
        Arch::new().dispatch(
            #[inline(always)]
            || finish(row, column, line),
        )
    };
    let shape = [left.lines, right.lines];
    let mut out = vec![0.0; shape[0] * shape[1]];
    product(left, right, &mut out, finish);
    tensor(out, Shape::new(shape))
}

/// Views a contiguous tensor as a matrix.
fn matrix(tensor: &FloatTensor<Flex>) -> Matrix<'_> {
    Matrix::new(values(tensor), [tensor.shape()[0], tensor.shape()[1]])
}
