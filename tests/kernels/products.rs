//! Dense layers by every tiling that the device has, and in bf16 by all instructions that the processor
//! has, each with what follows it, against sums in f64, at odd shapes.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData},
};
use electra::{
    device::{DeviceRequest, choose},
    kernels::{
        dense::{
            Weight, dense, layer::DenseLayer, packed_kernel::PackedKernel, products::DenseProducts,
        },
        dropout::Dropped,
        formats::Element,
        matmul::{MatmulTilings, bf16::Instructions, config::MatmulTiling},
    },
    packed::{random::Mask, sequences::Sequences},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `rows`, `in`, `out`: one block and less, several blocks and a rest, and too few rows or too odd
/// columns for any shader.
const SHAPES: [[usize; 3]; 5] = [
    [37, 52, 68],
    [131, 260, 136],
    [64, 64, 64],
    [3, 64, 20],
    [40, 33, 27],
];

pub const MASK: Mask = Mask {
    counter: 11,
    threshold: u32::MAX / 5 * 4,
    scale: 1.25,
};

/// Everything that a dense layer computes, in this order.
const PARTS: [&str; 10] = [
    "y",
    "gelu",
    "gelu beside what is kept",
    "kept",
    "residual",
    "dropped residual",
    "dx",
    "dx onto",
    "inner gradient",
    "dW and db",
];

/// Input, kernel, bias, gradient of the result, and what is added to the result or to the input's
/// gradient; all hold f16 values, so that both formats compute with the same numbers.
pub struct Case {
    shape: [usize; 3],
    pub x: Vec<f32>,
    pub kernel: Vec<f32>,
    pub bias: Vec<f32>,
    pub grad: Vec<f32>,
    pub residual: Vec<f32>,
    /// Also the values before a GELU whose results were the input.
    pub onto: Vec<f32>,
}

impl Case {
    pub fn new(shape: [usize; 3]) -> Self {
        let [rows, input, output] = shape;
        let mut random = ChaCha8Rng::seed_from_u64(rows as u64);
        let mut values = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|_| half::f16::from_f32(random.random_range(-1.0..1.0)).to_f32())
                .collect()
        };
        Self {
            shape,
            x: values(rows * input),
            kernel: values(input * output),
            bias: values(output),
            grad: values(rows * output),
            residual: values(rows * output),
            onto: values(rows * input),
        }
    }

    /// The same with the operands of its products rounded to bf16.
    fn in_bf16(&self) -> Self {
        let rounded = |values: &[f32]| {
            let values = values.iter();
            values.map(|&v| half::bf16::from_f32(v).to_f32()).collect()
        };
        Self {
            shape: self.shape,
            x: rounded(&self.x),
            kernel: rounded(&self.kernel),
            bias: self.bias.clone(),
            grad: rounded(&self.grad),
            residual: self.residual.clone(),
            onto: self.onto.clone(),
        }
    }

    pub fn sequences(&self) -> Sequences {
        let rows = self.shape[0];
        Sequences::new(&[rows - 2, 2], 4)
    }

    /// Everything in f64.
    pub fn exact(&self) -> Vec<Vec<f64>> {
        let [rows, input, output] = self.shape;
        let (x, w, g) = (&self.x, &self.kernel, &self.grad);
        let sum = |count: usize, term: &dyn Fn(usize) -> (f32, f32)| -> f64 {
            (0..count)
                .map(term)
                .map(|(a, b)| f64::from(a) * f64::from(b))
                .sum()
        };
        let each = |rows: usize, columns: usize, value: &dyn Fn(usize, usize) -> f64| {
            (0..rows * columns)
                .map(|place| value(place / columns, place % columns))
                .collect::<Vec<f64>>()
        };
        let y = each(rows, output, &|i, j| {
            sum(input, &|k| (x[i * input + k], w[k * output + j])) + f64::from(self.bias[j])
        });
        let dx = each(rows, input, &|i, k| {
            sum(output, &|j| (g[i * output + j], w[k * output + j]))
        });
        let distribution = |x: f64| (1.0 + libm::erf(x / std::f64::consts::SQRT_2)) / 2.0;
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let gelu: Vec<f64> = y.iter().map(|&y| y * distribution(y)).collect();
        let words: Vec<u32> = self.sequences().row_words().collect();
        let residual = |masked: bool| {
            each(rows, output, &|i, j| {
                let factor = match masked {
                    true => f64::from(MASK.factor(words[i], j as u32)),
                    false => 1.0,
                };
                y[i * output + j] * factor + f64::from(self.residual[i * output + j])
            })
        };
        let beside = |what: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            dx.iter()
                .zip(&self.onto)
                .map(|(&dx, &onto)| what(dx, f64::from(onto)))
                .collect()
        };
        let mut parameters = each(input, output, &|k, j| {
            sum(rows, &|i| (x[i * input + k], g[i * output + j]))
        });
        parameters.extend(each(1, output, &|_, j| {
            sum(rows, &|i| (g[i * output + j], 1.0))
        }));
        vec![
            y.clone(),
            gelu.clone(),
            gelu,
            y.clone(),
            residual(false),
            residual(true),
            dx.clone(),
            beside(&|dx, onto| dx + onto),
            beside(&|dx, inner| dx * (distribution(inner) + inner * density(inner))),
            parameters,
        ]
    }

    /// Everything by the operations.
    fn computed(
        &self,
        device: &Device,
        element: Element,
        products: DenseProducts,
    ) -> Vec<Vec<f32>> {
        let [rows, input, output] = self.shape;
        let matrix = |values: &[f32], shape: [usize; 2]| -> Tensor<2> {
            let tensor = Tensor::from_data(TensorData::new(values.to_vec(), shape), device);
            match element {
                Element::F32 => tensor,
                Element::F16 => tensor.cast(FloatDType::F16),
            }
        };
        let values = |tensor: Tensor<2>| {
            let tensor = tensor.cast(FloatDType::F32);
            tensor.try_into_vec_as::<f32>().unwrap()
        };
        let layer = DenseLayer {
            kernel: matrix(&self.kernel, [input, output]),
            bias: Tensor::from_data(TensorData::new(self.bias.clone(), [output]), device),
            products,
        };
        let (x, grad) = (
            matrix(&self.x, [rows, input]),
            matrix(&self.grad, [rows, output]),
        );
        let residual = matrix(&self.residual, [rows, output]);
        let onto = matrix(&self.onto, [rows, input]);
        let dropped = Some(Dropped {
            sequences: self.sequences(),
            mask: MASK,
        });
        let (activated, kept) = layer.gelu_keeping(x.clone());
        let (kernel_grad, bias_grad) = layer.parameter_gradients(x.clone(), grad.clone());
        let mut parameters = values(kernel_grad);
        parameters.extend(bias_grad.try_into_vec_as::<f32>().unwrap());
        let results = vec![
            values(layer.forward(x.clone())),
            values(layer.gelu(x.clone())),
            values(activated),
            values(kept),
            values(layer.residual(x.clone(), residual.clone(), None)),
            values(layer.residual(x, residual.clone(), dropped)),
            values(layer.input_gradient(grad.clone())),
            values(layer.input_gradient_onto(grad.clone(), onto.clone())),
            values(layer.inner_gradient(grad, onto.clone())),
            parameters,
        ];
        // Held by others: not written in place.
        assert_eq!(values(residual), self.residual);
        assert_eq!(values(onto), self.onto);
        results
    }

    /// Result and the gradients of input, kernel and bias, by the differentiable operation.
    fn by_graph(
        &self,
        device: &Device,
        element: Element,
        products: DenseProducts,
    ) -> [Vec<f32>; 4] {
        let device = device.clone().autodiff();
        let [rows, input, output] = self.shape;
        let matrix = |values: &[f32], shape: [usize; 2]| -> Tensor<2> {
            Tensor::from_data(TensorData::new(values.to_vec(), shape), &device)
        };
        let narrow = |tensor: Tensor<2>| match element {
            Element::F32 => tensor,
            Element::F16 => tensor.cast(FloatDType::F16),
        };
        let x = narrow(matrix(&self.x, [rows, input]));
        let x = x.detach().require_grad();
        let w = matrix(&self.kernel, [input, output]).require_grad();
        let b = TensorData::new(self.bias.clone(), [output]);
        let b = Tensor::<1>::from_data(b, &device).require_grad();
        let kernel = Weight {
            half: (element == Element::F16).then(|| narrow(w.clone().detach())),
            master: w.clone(),
            products,
        };
        let y = dense(x.clone(), kernel, b.clone());
        let loss = y.clone().cast(FloatDType::F32) * matrix(&self.grad, [rows, output]);
        let mut grads = loss.sum().backward();
        let values = |tensor: Tensor<2>| {
            let tensor = tensor.cast(FloatDType::F32);
            tensor.try_into_vec_as::<f32>().unwrap()
        };
        let bias = b.grad_remove(&mut grads).unwrap();
        [
            values(y.inner()),
            values(x.grad_remove(&mut grads).unwrap()),
            values(w.grad_remove(&mut grads).unwrap()),
            bias.try_into_vec_as::<f32>().unwrap(),
        ]
    }
}

/// Compares every shape.
#[track_caller]
fn assert_exact(name: &str, device: &Device, element: Element, tilings: MatmulTilings) {
    for case in SHAPES.map(Case::new) {
        let ours = case.computed(device, element, tilings.into());
        let exact = case.exact();
        for ((part, ours), exact) in PARTS.iter().zip(&ours).zip(&exact) {
            assert_eq!(ours.len(), exact.len());
            let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
            let difference = ours
                .iter()
                .zip(exact)
                .map(|(&ours, exact)| (f64::from(ours) - exact).abs())
                .fold(0.0, f64::max);
            // Sums of up to 260 products in f32; what is stored in f16 is rounded to 11 bits, once or,
            // where a tiling leaves the rest to other operations, twice.
            let stored_in_f16 = element == Element::F16 && *part != "dW and db";
            let tolerance = if stored_in_f16 { 1e-3 } else { 2e-6 };
            assert!(
                difference <= tolerance * scale,
                "{name} {element:?} {tilings:?} {:?} {part}: {difference} of {scale}",
                case.shape
            );
        }
        let [input, output] = [case.shape[1], case.shape[2]];
        let [y, dx, dw, db] = case.by_graph(device, element, tilings.into());
        let parameters = [dw, db].concat();
        assert_eq!(parameters.len(), (input + 1) * output);
        for (part, graph) in [(0, y), (6, dx), (9, parameters)] {
            assert_eq!(graph, ours[part], "{name} {element:?}: {}", PARTS[part]);
        }
    }
}

#[test]
fn plain_tensors_are_exact_on_the_cpu_and_on_the_gpu() {
    for (name, device) in crate::support::devices() {
        for element in [Element::F32, Element::F16] {
            assert_exact(name, &device, element, MatmulTilings::default());
        }
    }
}

#[test]
fn products_in_bf16_are_those_of_rounded_operands() {
    let device = Device::flex();
    let available = Instructions::ALL.into_iter().filter(|by| by.available());
    for (instructions, shape) in
        available.flat_map(|instructions| SHAPES.map(|shape| (instructions, shape)))
    {
        let case = Case::new(shape);
        let [_, input, output] = shape;
        let products = DenseProducts {
            packed: Some(Arc::new(PackedKernel::new(instructions))),
            ..DenseProducts::default()
        };
        let ours = case.computed(&device, Element::F32, products.clone());
        let mut exact = case.in_bf16().exact();
        // The bias's gradient is no product: its terms are not rounded.
        let sums = case.exact().pop().unwrap().split_off(input * output);
        exact[9].truncate(input * output);
        exact[9].extend(sums);
        for ((part, ours), exact) in PARTS.iter().zip(&ours).zip(&exact) {
            let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
            let errors = ours.iter().zip(exact);
            let errors = errors.map(|(&ours, exact)| (f64::from(ours) - exact).abs());
            let difference = errors.fold(0.0, f64::max);
            // Products of two values of 8 bits are exact in f32; sums of up to 260 of them are not.
            assert!(
                difference <= 2e-6 * scale,
                "{instructions} {shape:?} {part}: {difference} of {scale}"
            );
        }
        let [y, dx, dw, db] = case.by_graph(&device, Element::F32, products);
        for (part, graph) in [(0, y), (6, dx), (9, [dw, db].concat())] {
            assert_eq!(graph, ours[part], "{instructions}: {}", PARTS[part]);
        }
    }
}

#[test]
fn a_kernel_that_changed_is_multiplied_as_it_is_now() {
    let device = Device::flex();
    let [before, after] = [[64, 64, 96], [64, 96, 64]].map(Case::new);
    let mut kernel = Arc::new(PackedKernel::new(Instructions::Plain));
    let products = |kernel: &Arc<PackedKernel>| DenseProducts {
        packed: Some(kernel.clone()),
        ..DenseProducts::default()
    };
    let fresh = Arc::new(PackedKernel::new(Instructions::Plain));
    let right = after.computed(&device, Element::F32, products(&fresh));
    before.computed(&device, Element::F32, products(&kernel));
    Arc::get_mut(&mut kernel).unwrap().renew();
    assert_eq!(
        after.computed(&device, Element::F32, products(&kernel)),
        right
    );
}

#[test]
fn tiled_products_are_exact() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    for quarters in [1, 2] {
        for element in [Element::F32, Element::F16] {
            let tilings = MatmulTilings::all(MatmulTiling::Tiled { quarters });
            assert_exact("gpu", &device, element, tilings);
        }
    }
}

#[test]
fn products_of_cooperative_matrices_are_exact() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let chosen = choose(DeviceRequest::Gpu).unwrap();
    let tilings: Vec<MatmulTiling> = electra::kernels::matmul::autotune::candidates(
        chosen.adapter.as_ref().unwrap(),
        Element::F16,
    )
    .into_iter()
    .filter(|tiling| matches!(tiling, MatmulTiling::Cooperative { .. }))
    .collect();
    if tilings.is_empty() {
        eprintln!("{}: no cooperative matrices", chosen.name);
    }
    for tiling in tilings {
        assert_exact(
            &chosen.name,
            &device,
            Element::F16,
            MatmulTilings::all(tiling),
        );
    }
}
