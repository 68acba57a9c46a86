//! Every launch that a layer makes of a tiling, on a few rows: each is a shader of its own, which a driver may
//! compile wrongly by itself.

use burn::{Tensor, tensor::Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    super::{
        MatmulTilings,
        config::{MatmulTiling, Orientation},
    },
    operands::{Matrix, gelu, slope},
};
use crate::{
    kernels::{
        autotune::timing::{Form, Samples},
        dense::{layer::DenseLayer, three::ThreeLayers},
        dropout::Dropped,
        formats::Element,
    },
    packed::{
        random::{Mask, row_word},
        sequences::Sequences,
    },
};

/// Operands of every launch of one orientation.
pub(super) struct Forms {
    orientation: Orientation,
    /// Rows, input columns and output columns of the product.
    shape: [usize; 3],
    /// `[rows, input]` each.
    left: [Matrix; 3],
    /// Kernels `[input, output]`; for the gradient of the rows those of layers `[output] → [input]`, and for
    /// that of the parameters gradients `[rows, output]`.
    right: [Matrix; 3],
    /// The epilogue's second matrix, `[rows, output]`.
    other: Matrix,
    /// `[1, output]` each.
    biases: [Matrix; 3],
}

type Run<'a> = Box<dyn Fn(&ThreeLayers) -> Vec<Tensor<2>> + 'a>;

impl Forms {
    pub fn new(
        device: &Device,
        operand: Element,
        orientation: Orientation,
        shape: [usize; 3],
    ) -> Self {
        let [rows, input, output] = shape;
        let mut generator = ChaCha8Rng::seed_from_u64(2);
        let mut random = |operand, shape| Matrix::random(&mut generator, device, operand, shape);
        let mut three = |operand, shape| [(); 3].map(|()| random(operand, shape));
        Self {
            orientation,
            shape,
            left: three(operand, [rows, input]),
            right: three(
                operand,
                match orientation {
                    Orientation::Plain => [input, output],
                    Orientation::RightTransposed => [output, input],
                    Orientation::LeftTransposed => [rows, output],
                },
            ),
            biases: three(Element::F32, [1, output]),
            other: random(operand, [rows, output]),
        }
    }

    /// Returns the launches with their expected values.
    pub fn all<'a>(&'a self) -> Vec<Form<'a, Option<MatmulTiling>>> {
        let all = match self.orientation {
            Orientation::Plain => self.forward(),
            Orientation::RightTransposed => self.gradients_of_rows(),
            Orientation::LeftTransposed => self.gradients_of_parameters(),
        };
        let form = |(name, expected, run): (_, _, Run<'a>)| Form {
            name,
            expected,
            run: Box::new(move |tiling| run(&self.layers(tiling))),
        };
        all.into_iter().map(form).collect()
    }

    fn forward(&self) -> Vec<(&'static str, Vec<Samples>, Run<'_>)> {
        let [rows, _, output] = self.shape;
        let dropped = Dropped {
            sequences: Sequences::new(&[rows], 0),
            mask: Mask::new(1, 0.1),
        };
        let inner =
            |n: usize, i: usize, j: usize| self.product([0, n], i, j) + self.biases[n].at(0, j);
        let whole = |value: &dyn Fn(usize, usize) -> f64| Samples::of([rows, output], value);
        let gelu = || whole(&|i, j| gelu(inner(0, i, j)));
        let residual = |mask: Option<Mask>| {
            let factor = |i: usize, j: usize| {
                mask.map_or(1.0, |mask| {
                    f64::from(mask.factor(row_word(0, i as u32), j as u32))
                })
            };
            vec![whole(&|i, j| {
                inner(0, i, j) * factor(i, j) + self.other.at(i, j)
            })]
        };
        let x = || self.left[0].tensor.clone();
        let other = || self.other.tensor.clone();
        vec![
            (
                "with a bias",
                vec![whole(&|i, j| inner(0, i, j))],
                Box::new(move |layers| vec![layers.0[0].forward(x())]),
            ),
            (
                "three with biases",
                [0, 1, 2].map(|n| whole(&|i, j| inner(n, i, j))).to_vec(),
                Box::new(move |layers| layers.forward(x()).to_vec()),
            ),
            (
                "with GELU",
                vec![gelu()],
                Box::new(move |layers| vec![layers.0[0].gelu(x())]),
            ),
            (
                "with GELU, kept",
                vec![gelu(), whole(&|i, j| inner(0, i, j))],
                Box::new(move |layers| <[_; 2]>::from(layers.0[0].gelu_keeping(x())).to_vec()),
            ),
            (
                "with a residual",
                residual(None),
                Box::new(move |layers| vec![layers.0[0].residual(x(), other(), None)]),
            ),
            (
                "with dropout and a residual",
                residual(Some(dropped.mask)),
                Box::new(move |layers| {
                    vec![layers.0[0].residual(x(), other(), Some(dropped.clone()))]
                }),
            ),
        ]
    }

    fn gradients_of_rows(&self) -> Vec<(&'static str, Vec<Samples>, Run<'_>)> {
        let [rows, _, output] = self.shape;
        let whole = |value: &dyn Fn(usize, usize) -> f64| vec![Samples::of([rows, output], value)];
        let product = |n: usize, i: usize, j: usize| self.product([n, n], i, j);
        let grad = || self.left[0].tensor.clone();
        let other = || self.other.tensor.clone();
        vec![
            (
                "alone",
                whole(&|i, j| product(0, i, j)),
                Box::new(move |layers| vec![layers.0[0].input_gradient(grad())]),
            ),
            (
                "with GELU's slope",
                whole(&|i, j| product(0, i, j) * slope(self.other.at(i, j))),
                Box::new(move |layers| vec![layers.0[0].inner_gradient(grad(), other())]),
            ),
            (
                "added",
                whole(&|i, j| product(0, i, j) + self.other.at(i, j)),
                Box::new(move |layers| vec![layers.0[0].input_gradient_onto(grad(), other())]),
            ),
            (
                "three added",
                whole(&|i, j| {
                    let three = [0, 1, 2].map(|n| product(n, i, j));
                    three.iter().sum::<f64>() + self.other.at(i, j)
                }),
                Box::new(move |layers| {
                    let grads = self.left.each_ref().map(|grad| grad.tensor.clone());
                    vec![layers.input_gradients_onto(grads, other())]
                }),
            ),
        ]
    }

    fn gradients_of_parameters(&self) -> Vec<(&'static str, Vec<Samples>, Run<'_>)> {
        let [rows, input, output] = self.shape;
        let kernel = |n: usize| Samples::of([input, output], |i, j| self.product([0, n], i, j));
        let bias = |n: usize| {
            let grad = &self.right[n];
            Samples::of([1, output], |_, j| (0..rows).map(|k| grad.at(k, j)).sum())
        };
        let x = || self.left[0].tensor.clone();
        let grads = || self.right.each_ref().map(|grad| grad.tensor.clone());
        vec![
            (
                "of one",
                vec![kernel(0), bias(0)],
                Box::new(move |layers| {
                    let [grad, ..] = grads();
                    let (kernel, bias) = layers.0[0].parameter_gradients(x(), grad);
                    vec![kernel, bias.unsqueeze()]
                }),
            ),
            (
                "of three",
                [0, 1, 2]
                    .map(kernel)
                    .into_iter()
                    .chain([0, 1, 2].map(bias))
                    .collect(),
                Box::new(move |layers| {
                    let (kernels, biases) = layers.parameter_gradients(x(), grads());
                    let biases = biases.map(Tensor::unsqueeze);
                    kernels.into_iter().chain(biases).collect()
                }),
            ),
        ]
    }

    /// Layers that run with a tiling.
    fn layers(&self, tiling: Option<MatmulTiling>) -> ThreeLayers {
        let tilings = tiling.map_or_else(MatmulTilings::default, MatmulTilings::all);
        ThreeLayers([0, 1, 2].map(|n| DenseLayer {
            kernel: self.right[n].tensor.clone(),
            bias: self.biases[n].tensor.clone().flatten(0, 1),
            products: tilings.into(),
        }))
    }

    /// Returns a value of the product of one matrix on the left and one on the right.
    fn product(&self, [left, right]: [usize; 2], i: usize, j: usize) -> f64 {
        let [rows, input, _] = self.shape;
        let (left, right) = (&self.left[left], &self.right[right]);
        match self.orientation {
            Orientation::Plain => (0..input).map(|k| left.at(i, k) * right.at(k, j)).sum(),
            Orientation::RightTransposed => {
                (0..input).map(|k| left.at(i, k) * right.at(j, k)).sum()
            }
            Orientation::LeftTransposed => (0..rows).map(|k| left.at(k, i) * right.at(k, j)).sum(),
        }
    }
}
