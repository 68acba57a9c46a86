//! Dense layers by every form of product that the device has, against sums in f64, at odd shapes.

mod support;

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData},
};
use electra::{
    device::{DeviceRequest, choose},
    kernels::{
        dense::{Kernel, dense},
        product::Products,
        shader::{Element, ProductForm},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `rows`, `in`, `out`: one block and less, several blocks and a rest, and too few rows for any
/// shader.
const SHAPES: [[usize; 3]; 4] = [[37, 52, 68], [131, 260, 136], [64, 64, 64], [3, 64, 20]];

/// Input, kernel, bias, and the gradient of the result; operands hold f16 values, so that both
/// formats multiply the same numbers.
struct Case {
    shape: [usize; 3],
    values: [Vec<f32>; 4],
}

impl Case {
    fn new(shape: [usize; 3]) -> Self {
        let [rows, input, output] = shape;
        let mut random = ChaCha8Rng::seed_from_u64(rows as u64);
        let sizes = [rows * input, input * output, output, rows * output];
        let values = sizes.map(|count| {
            (0..count)
                .map(|_| half::f16::from_f32(random.random_range(-1.0..1.0)).to_f32())
                .collect()
        });
        Self { shape, values }
    }

    /// Result and the gradients of input, kernel and bias, in f64.
    fn exact(&self) -> [Vec<f64>; 4] {
        let [rows, input, output] = self.shape;
        let [x, w, b, g] = self.values.each_ref();
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
        [
            each(rows, output, &|i, j| {
                sum(input, &|k| (x[i * input + k], w[k * output + j])) + f64::from(b[j])
            }),
            each(rows, input, &|i, k| {
                sum(output, &|j| (g[i * output + j], w[k * output + j]))
            }),
            each(input, output, &|k, j| {
                sum(rows, &|i| (x[i * input + k], g[i * output + j]))
            }),
            each(1, output, &|_, j| sum(rows, &|i| (g[i * output + j], 1.0))),
        ]
    }

    /// The same by the operation.
    fn computed(&self, device: &Device, element: Element, products: Products) -> [Vec<f32>; 4] {
        let device = device.clone().autodiff();
        let [rows, input, output] = self.shape;
        let [x, w, b, g] = self.values.each_ref();
        let matrix = |values: &[f32], shape: [usize; 2]| -> Tensor<2> {
            Tensor::from_data(TensorData::new(values.to_vec(), shape), &device)
        };
        let narrow = |tensor: Tensor<2>| match element {
            Element::F32 => tensor,
            Element::F16 => tensor.cast(FloatDType::F16),
        };
        let x = narrow(matrix(x, [rows, input])).detach().require_grad();
        let w = matrix(w, [input, output]).require_grad();
        let b =
            Tensor::<1>::from_data(TensorData::new(b.clone(), [output]), &device).require_grad();
        let kernel = Kernel {
            half: (element == Element::F16).then(|| narrow(w.clone().detach())),
            master: w.clone(),
            products,
        };
        let y = dense(x.clone(), kernel, b.clone());
        let loss = y.clone().cast(FloatDType::F32) * matrix(g, [rows, output]);
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
fn assert_exact(name: &str, device: &Device, element: Element, products: Products) {
    for case in SHAPES.map(Case::new) {
        let (ours, exact) = (case.computed(device, element, products), case.exact());
        for ((part, ours), exact) in ["y", "dx", "dW", "db"].iter().zip(&ours).zip(&exact) {
            assert_eq!(ours.len(), exact.len());
            let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
            let difference = ours
                .iter()
                .zip(exact)
                .map(|(&ours, exact)| (f64::from(ours) - exact).abs())
                .fold(0.0, f64::max);
            // Sums of up to 260 products in f32; what is stored in f16 is rounded to 11 bits.
            let stored_in_f16 = element == Element::F16 && matches!(*part, "y" | "dx");
            let tolerance = if stored_in_f16 { 5e-4 } else { 2e-6 };
            assert!(
                difference <= tolerance * scale,
                "{name} {element:?} {products:?} {:?} {part}: {difference} of {scale}",
                case.shape
            );
        }
    }
}

#[test]
fn plain_tensors_are_exact_on_the_cpu_and_on_the_gpu() {
    for (name, device) in support::devices() {
        for element in [Element::F32, Element::F16] {
            assert_exact(name, &device, element, Products::default());
        }
    }
}

#[test]
fn tiled_products_are_exact() {
    let Some(device) = support::gpu() else { return };
    for quarters in [1, 2] {
        for element in [Element::F32, Element::F16] {
            let products = Products::all(ProductForm::Tiled { quarters });
            assert_exact("gpu", &device, element, products);
        }
    }
}

#[test]
fn products_on_matrix_units_are_exact() {
    let Some(device) = support::gpu() else { return };
    let chosen = choose(DeviceRequest::Gpu).unwrap();
    let forms: Vec<ProductForm> = electra::kernels::product_choice::candidates(
        chosen.adapter.as_ref().unwrap(),
        Element::F16,
    )
    .into_iter()
    .filter(|form| matches!(form, ProductForm::Cooperative { .. }))
    .collect();
    if forms.is_empty() {
        eprintln!("{}: no matrix units", chosen.name);
    }
    for form in forms {
        assert_exact(&chosen.name, &device, Element::F16, Products::all(form));
    }
}
