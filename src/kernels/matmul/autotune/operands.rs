//! Autotuning inputs: the operands of one of a dense layer's matmuls, on the host and the device,
//! and some of its results in f64.

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData},
};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::{
    MatmulTilings,
    config::{MatmulTiling, Orientation},
};
use crate::kernels::{
    autotune::timing::Samples,
    dense::layer::DenseLayer,
    formats::Element,
    normal::{density, distribution},
};

/// A matrix held on the host and on the device, with identical values.
pub(super) struct Matrix {
    columns: usize,
    values: Vec<f32>,
    pub tensor: Tensor<2>,
}

impl Matrix {
    /// Draws uniformly from −1 to 1, in steps that the format represents exactly, so that
    /// conversion on the device cannot round wrongly.
    pub fn random(
        random: &mut ChaCha8Rng,
        device: &Device,
        operand: Element,
        [rows, columns]: [usize; 2],
    ) -> Self {
        // Besides the sign, 24 bits of an f32 and 11 of an f16.
        let bits = match operand {
            Element::F32 => 24,
            Element::F16 => 11,
        };
        let step = (1_u32 << (bits - 1)) as f32;
        let values =
            (0..rows * columns).map(|_| (random.next_u32() >> (32 - bits)) as f32 / step - 1.0);
        let values: Vec<f32> = values.collect();
        let data = TensorData::new(values.clone(), [rows, columns]);
        let tensor = Tensor::from_data(data, device);
        Self {
            columns,
            values,
            tensor: match operand {
                Element::F32 => tensor,
                Element::F16 => tensor.cast(FloatDType::F16),
            },
        }
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        f64::from(self.values[row * self.columns + column])
    }
}

/// The operands of a matmul, with the epilogue that an encoder layer gives it.
pub(super) struct Operands {
    orientation: Orientation,
    /// Rows, input columns and output columns.
    shape: [usize; 3],
    /// `[rows, input]`
    x: Matrix,
    /// `[input, output]`; for the gradient of the rows, the kernel of a layer `[output] → [input]`.
    kernel: Matrix,
    /// The epilogue's second matrix, `[rows, output]`.
    other: Matrix,
    /// `[1, output]`
    bias: Matrix,
}

impl Operands {
    pub fn new(
        device: &Device,
        operand: Element,
        orientation: Orientation,
        shape: [usize; 3],
    ) -> Self {
        let [rows, input, output] = shape;
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut random = |operand, shape| Matrix::random(&mut generator, device, operand, shape);
        Self {
            orientation,
            shape,
            x: random(operand, [rows, input]),
            kernel: random(
                operand,
                match orientation {
                    Orientation::RightTransposed => [output, input],
                    _ => [input, output],
                },
            ),
            other: random(operand, [rows, output]),
            bias: random(Element::F32, [1, output]),
        }
    }

    /// Returns the floating-point operations of the matmul.
    pub fn flops(&self) -> f64 {
        2.0 * self.shape.iter().product::<usize>() as f64
    }

    /// Returns whether this is the wide feed-forward layer, which is followed by GELU.
    fn is_wide(&self) -> bool {
        self.shape[2] > self.shape[1]
    }

    /// Returns the result `[rows, output]`, with the values before GELU if they are kept, or the
    /// gradients of a kernel `[input, output]` and of its bias `[1, output]`.
    pub fn run(&self, tiling: Option<MatmulTiling>) -> Vec<Tensor<2>> {
        let layer = DenseLayer {
            kernel: self.kernel.tensor.clone(),
            bias: self.bias.tensor.clone().flatten(0, 1),
            products: tiling
                .map_or_else(MatmulTilings::default, MatmulTilings::all)
                .into(),
        };
        let (x, other) = (self.x.tensor.clone(), self.other.tensor.clone());
        match (self.orientation, self.is_wide()) {
            (Orientation::Plain, true) => <[_; 2]>::from(layer.gelu_keeping(x)).to_vec(),
            (Orientation::Plain, false) => vec![layer.residual(x, other, None)],
            (Orientation::RightTransposed, true) => vec![layer.inner_gradient(x, other)],
            (Orientation::RightTransposed, false) => vec![layer.input_gradient(x)],
            (Orientation::LeftTransposed, _) => {
                let (kernel, bias) = layer.parameter_gradients(x, other);
                vec![kernel, bias.unsqueeze()]
            }
        }
    }

    /// Returns sampled values of each result.
    pub fn expected(&self) -> Vec<Samples> {
        let Self {
            x,
            kernel,
            other,
            bias,
            ..
        } = self;
        let [rows, input, output] = self.shape;
        let product = |i: usize, j: usize| -> f64 {
            match self.orientation {
                Orientation::Plain => (0..input).map(|k| x.at(i, k) * kernel.at(k, j)).sum(),
                Orientation::RightTransposed => {
                    (0..input).map(|k| x.at(i, k) * kernel.at(j, k)).sum()
                }
                Orientation::LeftTransposed => (0..rows).map(|k| x.at(k, i) * other.at(k, j)).sum(),
            }
        };
        let inner = |i: usize, j: usize| product(i, j) + bias.at(0, j);
        let whole = [rows, output];
        match (self.orientation, self.is_wide()) {
            (Orientation::Plain, true) => vec![
                Samples::of(whole, |i, j| gelu(inner(i, j))),
                Samples::of(whole, inner),
            ],
            (Orientation::Plain, false) => {
                vec![Samples::of(whole, |i, j| inner(i, j) + other.at(i, j))]
            }
            (Orientation::RightTransposed, true) => {
                vec![Samples::of(whole, |i, j| {
                    product(i, j) * slope(other.at(i, j))
                })]
            }
            (Orientation::RightTransposed, false) => vec![Samples::of(whole, product)],
            (Orientation::LeftTransposed, _) => vec![
                Samples::of([input, output], product),
                Samples::of([1, output], |_, j| (0..rows).map(|k| other.at(k, j)).sum()),
            ],
        }
    }
}

/// GELU in f32's precision, far within the tolerance.
pub(super) fn gelu(value: f64) -> f64 {
    value * f64::from(distribution(value as f32))
}

/// Its slope.
pub(super) fn slope(value: f64) -> f64 {
    let (at, density) = (distribution(value as f32), density(value as f32));
    f64::from(at) + value * f64::from(density)
}
