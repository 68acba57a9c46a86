//! Which form of product a device runs: what is right and fastest on it, found by trying.
//!
//! Drivers differ more than data sheets tell, so nothing is assumed: each form that the device
//! offers computes a dense layer and its two gradients at the model's own shape; one that does not
//! agree with Burn's product is left out, and of the others the fastest is taken, for each of the
//! three.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use burn::{
    Tensor,
    tensor::{Device, Distribution, FloatDType},
};

use super::{
    dense_layer::DenseLayer,
    product::Products,
    product_form::{Orientation, ProductForm},
    shader::Element,
};
use crate::device::AdapterInfo;

/// Rows of the products that are timed, at most: enough to fill a large GPU.
const ROWS: usize = 4_096;

/// Rows on a software adapter, which is slow and has little to fill.
const SOFTWARE_ROWS: usize = 128;

/// Timed runs; the shortest counts.
const RUNS: usize = 3;

/// Blocks that are tried on matrix units: subgroups, matrices of each, depth of a slice, and whether
/// the next slice is fetched while one is multiplied.
const BLOCKS: [([usize; 2], [usize; 2], usize, bool); 6] = [
    ([2, 2], [4, 4], 32, true),
    ([2, 2], [4, 4], 32, false),
    ([2, 2], [4, 4], 16, true),
    ([2, 4], [4, 2], 32, true),
    ([2, 4], [4, 4], 32, true),
    ([2, 2], [2, 2], 32, true),
];

/// One form's time for one orientation.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub orientation: Orientation,
    /// `None` is Burn's own product.
    pub form: Option<ProductForm>,
    /// Operations a second; `None` where the result was wrong.
    pub flops: Option<f64>,
}

impl Trial {
    /// The product as a dense layer has it.
    pub fn product(&self) -> &'static str {
        self.orientation.product()
    }

    pub fn form_name(&self) -> String {
        self.form
            .map_or("Burn's".to_owned(), |form| form.to_string())
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (product, form) = (self.product(), self.form_name());
        match self.flops {
            Some(flops) => write!(f, "{product} {form}: {:.3} TFLOP/s", flops / 1e12),
            None => write!(f, "{product} {form}: wrong results, left out"),
        }
    }
}

/// What a device runs, and the trials that say why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProductChoice {
    pub products: Products,
    pub trials: Vec<Trial>,
}

impl ProductChoice {
    /// The trials of each product, fastest first.
    pub fn ranked(&self) -> Vec<&Trial> {
        let mut trials: Vec<&Trial> = self.trials.iter().collect();
        let speed = |trial: &Trial| trial.flops.unwrap_or(0.0);
        // The products stay in the order of the trials: a stable sort within each.
        for product in trials.chunk_by_mut(|a, b| a.orientation == b.orientation) {
            product.sort_by(|a, b| speed(b).total_cmp(&speed(a)));
        }
        trials
    }
}

/// The forms that an adapter offers for operands of this format, matrix units first.
pub fn candidates(adapter: &AdapterInfo, operand: Element) -> Vec<ProductForm> {
    let mut forms = Vec::new();
    if let (Element::F16, Some((smallest, largest))) = (operand, adapter.subgroup) {
        let sizes = [16, 8].into_iter().filter(|&size| {
            adapter.cooperative_matrices.iter().any(|matrix| {
                [matrix.m, matrix.n, matrix.k] == [size; 3]
                    && matrix.operands == "f16"
                    && matrix.result == "f32"
            })
        });
        // A driver may run subgroups of any size between the two.
        let subgroups = BTreeSet::from([smallest, largest]);
        for (size, subgroup) in sizes.flat_map(|size| subgroups.iter().map(move |&s| (size, s))) {
            for (grid, tiles, depth, ahead) in BLOCKS {
                forms.push(ProductForm::Cooperative {
                    size: size as usize,
                    grid,
                    tiles,
                    depth,
                    subgroup: subgroup as usize,
                    ahead,
                });
            }
        }
    }
    if operand == Element::F32 || adapter.f16() {
        forms.extend([2, 1].map(|quarters| ProductForm::Tiled { quarters }));
    }
    forms.retain(|form| {
        let threads: u32 = form.threads().iter().product();
        form.is_even()
            && form.workgroup_bytes() <= adapter.max_workgroup_storage as usize
            && threads <= adapter.max_workgroup_invocations
    });
    forms
}

/// Tries the forms at dense layers `[hidden] → [inner]` over rows of `tokens` tokens.
///
/// # Errors
/// When the device does not give its results back.
pub fn choose(
    device: &Device,
    adapter: &AdapterInfo,
    operand: Element,
    [tokens, hidden, inner]: [usize; 3],
) -> Result<ProductChoice, String> {
    let rows = if adapter.is_software() {
        SOFTWARE_ROWS
    } else {
        ROWS
    };
    let rows = tokens.clamp(1, rows);
    let random = |shape: [usize; 2]| {
        let values = Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), device);
        match operand {
            Element::F32 => values,
            Element::F16 => values.cast(FloatDType::F16),
        }
    };
    let (x, kernel, grad) = (
        random([rows, hidden]),
        random([hidden, inner]),
        random([rows, inner]),
    );
    let bias = Tensor::<1>::zeros([inner], device);
    let run = |orientation: Orientation, products: Products| -> Tensor<2> {
        let layer = DenseLayer {
            kernel: kernel.clone(),
            bias: bias.clone(),
            products,
        };
        match orientation {
            Orientation::Plain => layer.forward(x.clone()),
            Orientation::RightTransposed => layer.input_gradient(grad.clone()),
            Orientation::LeftTransposed => layer.parameter_gradients(x.clone(), grad.clone()).0,
        }
    };
    let operations = 2.0 * (rows * hidden * inner) as f64;
    let mut choice = ProductChoice::default();
    for orientation in [
        Orientation::Plain,
        Orientation::RightTransposed,
        Orientation::LeftTransposed,
    ] {
        let expected = run(orientation, Products::default());
        let scale = greatest(expected.clone())?;
        let forms = candidates(adapter, operand).into_iter().map(Some);
        for form in [None].into_iter().chain(forms) {
            let products = form.map_or_else(Products::default, Products::all);
            let result = run(orientation, products);
            let difference = greatest(result - expected.clone())?;
            // Another order of summation, and f16's rounding where the result is stored so.
            let tolerance = match operand {
                Element::F32 => 1e-4,
                Element::F16 => 2e-3,
            };
            let right = difference <= tolerance * scale;
            let mut shortest = Duration::MAX;
            for _ in 0..if right { RUNS } else { 0 } {
                device.sync().map_err(|e| format!("{e:?}"))?;
                let began = Instant::now();
                let result = run(orientation, products);
                device.sync().map_err(|e| format!("{e:?}"))?;
                shortest = shortest.min(began.elapsed());
                drop(result);
            }
            choice.trials.push(Trial {
                orientation,
                form,
                flops: right.then(|| operations / shortest.as_secs_f64()),
            });
        }
        let fastest = choice
            .trials
            .iter()
            .filter(|trial| trial.orientation == orientation)
            .filter_map(|trial| Some((trial.form, trial.flops?)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let form = fastest.and_then(|(form, _)| form);
        match orientation {
            Orientation::Plain => choice.products.plain = form,
            Orientation::LeftTransposed => choice.products.left_transposed = form,
            Orientation::RightTransposed => choice.products.right_transposed = form,
        }
    }
    Ok(choice)
}

/// The greatest magnitude; infinite where a value is not a number.
fn greatest(values: Tensor<2>) -> Result<f32, String> {
    let values = values.cast(FloatDType::F32).abs();
    let greatest = values
        .max()
        .try_into_scalar::<f32>()
        .map_err(|e| format!("{e:?}"))?;
    Ok(if greatest.is_nan() {
        f32::INFINITY
    } else {
        greatest
    })
}
