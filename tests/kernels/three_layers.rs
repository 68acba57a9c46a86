//! Three dense layers at once, by every kind of tiling: as one after the other, and against sums in f64.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData},
};
use electra::{
    device::{DeviceRequest, choose},
    kernels::{
        dense::{
            layer::DenseLayer, packed_kernel::PackedKernel, products::DenseProducts,
            three::ThreeLayers,
        },
        formats::Element,
        matmul::{MatmulTilings, autotune::candidates, bf16::Instructions, config::MatmulTiling},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `rows`, `in`, `out`: one block and less, several blocks and a rest, and too few rows or too odd
/// columns for any shader.
const SHAPES: [[usize; 3]; 4] = [[37, 52, 68], [131, 260, 136], [3, 64, 20], [40, 33, 27]];

/// Values that f16 holds, so that both formats compute with the same numbers.
fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| half::f16::from_f32(random.random_range(-1.0..1.0)).to_f32())
        .collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let tensor = tensor.cast(FloatDType::F32);
    tensor.try_into_vec_as::<f32>().unwrap()
}

#[track_caller]
fn assert_as_one_by_one(device: &Device, element: Element, tilings: MatmulTilings) {
    for [rows, input, output] in SHAPES {
        let what = format!("{element:?} {tilings:?} {rows}x{input}x{output}");
        let matrix = |values: &[f32], shape: [usize; 2]| -> Tensor<2> {
            let tensor = Tensor::from_data(TensorData::new(values.to_vec(), shape), device);
            match element {
                Element::F32 => tensor,
                Element::F16 => tensor.cast(FloatDType::F16),
            }
        };
        let (x, sum) = (random(rows * input, 1), random(rows * input, 2));
        let kernels = [3, 4, 5].map(|seed| random(input * output, seed));
        let grads = [6, 7, 8].map(|seed| random(rows * output, seed));
        let layers = [0, 1, 2].map(|number| DenseLayer {
            kernel: matrix(&kernels[number], [input, output]),
            bias: Tensor::from_data(
                TensorData::new(random(output, 9 + number as u64), [output]),
                device,
            ),
            products: tilings.into(),
        });
        let (rows_in, onto) = (matrix(&x, [rows, input]), matrix(&sum, [rows, input]));
        let gradients = grads.each_ref().map(|grad| matrix(grad, [rows, output]));
        let three = ThreeLayers(layers.clone());

        let results = three.forward(rows_in.clone());
        for (result, layer) in results.into_iter().zip(&layers) {
            let alone = layer.forward(rows_in.clone());
            assert_eq!(result.dtype(), alone.dtype());
            assert!(values(result) == values(alone), "{what}: forward");
        }
        let (of_kernels, of_biases) = three.parameter_gradients(rows_in.clone(), gradients.clone());
        let both = of_kernels.into_iter().zip(of_biases);
        for ((kernel, bias), (layer, grad)) in both.zip(layers.iter().zip(&gradients)) {
            let (of_kernel, of_bias) = layer.parameter_gradients(rows_in.clone(), grad.clone());
            assert!(values(kernel) == values(of_kernel), "{what}: kernel");
            assert!(values(bias) == values(of_bias), "{what}: bias");
        }
        let ours = values(three.input_gradients_onto(gradients, onto.clone()));
        // Held by another: not written in place.
        assert_eq!(values(onto), sum);
        let exact = (0..rows * input).map(|place| {
            let (row, column) = (place / input, place % input);
            let term = |number: usize| -> f64 {
                let grad = &grads[number][row * output..][..output];
                let kernel = &kernels[number][column * output..][..output];
                let products = grad.iter().zip(kernel);
                products.map(|(&g, &w)| f64::from(g) * f64::from(w)).sum()
            };
            f64::from(sum[place]) + term(0) + term(1) + term(2)
        });
        let exact: Vec<f64> = exact.collect();
        let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        let difference = ours.iter().zip(&exact);
        let difference = difference.map(|(&ours, exact)| (f64::from(ours) - exact).abs());
        // In f16 a sum is rounded to 11 bits, once, or three times where one is added after the other.
        let tolerance = match element {
            Element::F32 => 2e-6,
            Element::F16 => 1.5e-3,
        };
        let difference = difference.fold(0.0, f64::max);
        assert!(
            difference <= tolerance * scale,
            "{what}: {difference} of {scale}"
        );
    }
}

#[test]
fn plain_tensors_are_as_one_by_one() {
    for (_, device) in crate::support::devices() {
        for element in Element::ALL {
            assert_as_one_by_one(&device, element, MatmulTilings::default());
        }
    }
}

#[test]
fn rows_packed_once_are_multiplied_as_those_packed_for_each() {
    let device = Device::flex();
    for instructions in Instructions::ALL.into_iter().filter(|by| by.available()) {
        for [rows, input, output] in SHAPES {
            let matrix = |shape: [usize; 2], seed: u64| -> Tensor<2> {
                let values = random(shape[0] * shape[1], seed);
                Tensor::from_data(TensorData::new(values, shape), &device)
            };
            let layers = [1, 2, 3].map(|seed| DenseLayer {
                kernel: matrix([input, output], seed),
                bias: matrix([1, output], seed + 3).flatten(0, 1),
                products: DenseProducts {
                    packed: Some(Arc::new(PackedKernel::new(instructions))),
                    ..DenseProducts::default()
                },
            });
            let x = matrix([rows, input], 7);
            let results = ThreeLayers(layers.clone()).forward(x.clone());
            for (result, layer) in results.into_iter().zip(&layers) {
                let alone = values(layer.forward(x.clone()));
                assert!(
                    values(result) == alone,
                    "{instructions}: {rows}x{input}x{output}"
                );
            }
        }
    }
}

#[test]
fn tiled_products_are_as_one_by_one() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    for quarters in [1, 2] {
        for element in Element::ALL {
            let tilings = MatmulTilings::all(MatmulTiling::Tiled { quarters });
            assert_as_one_by_one(&device, element, tilings);
        }
    }
}

#[test]
fn products_of_cooperative_matrices_are_as_one_by_one() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let chosen = choose(DeviceRequest::Gpu).unwrap();
    for tiling in candidates(chosen.adapter.as_ref().unwrap(), Element::F16) {
        if let MatmulTiling::Cooperative { .. } = tiling {
            assert_as_one_by_one(&device, Element::F16, MatmulTilings::all(tiling));
        }
    }
}
