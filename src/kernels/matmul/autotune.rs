//! Which tilings a device offers, and which are fastest on it, found by trying.
//!
//! Drivers differ more than data sheets tell, so nothing is assumed: each tiling that the device
//! offers computes dense layers and their two gradients at the model's own shapes; one that does not
//! agree with Burn's product is left out, and of the others the fastest is taken, for each product.

use std::collections::BTreeSet;

use burn::{
    Tensor,
    tensor::{Device, Distribution, FloatDType},
};

use super::{
    MatmulTilings, TilingsBySize,
    config::{MatmulTiling, Orientation},
};
use crate::{
    device::AdapterInfo,
    kernels::{
        autotune::timing::{Comparison, Timing},
        dense::layer::DenseLayer,
        formats::Element,
    },
};

/// Rows of the products that are timed, at most: enough to fill a large GPU.
pub(in crate::kernels) const ROWS: usize = 4_096;

/// Rows on a software adapter, which is slow and has little to fill.
const SOFTWARE_ROWS: usize = 128;

/// Blocks that are tried with cooperative matrices: subgroups, matrices of each, depth of a slice, and
/// whether the next slice is fetched while one is multiplied.
const BLOCKS: [([usize; 2], [usize; 2], usize, bool); 6] = [
    ([2, 2], [4, 4], 32, true),
    ([2, 2], [4, 4], 32, false),
    ([2, 2], [4, 4], 16, true),
    ([2, 4], [4, 2], 32, true),
    ([2, 4], [4, 4], 32, true),
    ([2, 2], [2, 2], 32, true),
];

/// The tilings that an adapter offers for operands of this format, cooperative matrices first.
pub fn candidates(adapter: &AdapterInfo, operand: Element) -> Vec<MatmulTiling> {
    let mut tilings = Vec::new();
    if let (Element::F16, Some((smallest, largest))) = (operand, adapter.subgroup) {
        let sizes = [16, 8]
            .into_iter()
            .filter(|&size| adapter.multiplies_f16(size));
        // A driver may run subgroups of any size between the two.
        let subgroups = BTreeSet::from([smallest, largest]);
        for (size, subgroup) in sizes.flat_map(|size| subgroups.iter().map(move |&s| (size, s))) {
            for (grid, tiles, depth, ahead) in BLOCKS {
                tilings.push(MatmulTiling::Cooperative {
                    size,
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
        tilings.extend([2, 1].map(|quarters| MatmulTiling::Tiled { quarters }));
    }
    tilings.retain(|tiling| {
        let threads: u32 = tiling.threads().iter().product();
        tiling.is_even()
            && tiling.workgroup_bytes() <= adapter.max_workgroup_storage as usize
            && threads <= adapter.max_workgroup_invocations
    });
    tilings
}

/// Tries the tilings at dense layers `[hidden] → [hidden]` and `[hidden] → [inner]` over rows of
/// `tokens` tokens.
///
/// # Errors
/// When the device does not give its results back.
pub(in crate::kernels) fn choose(
    device: &Device,
    adapter: &AdapterInfo,
    operand: Element,
    [tokens, hidden, inner]: [usize; 3],
) -> Result<(MatmulTilings, Vec<Timing>), String> {
    let most = if adapter.is_software() {
        SOFTWARE_ROWS
    } else {
        ROWS
    };
    let rows = tokens.clamp(1, most);
    let tilings: Vec<Option<MatmulTiling>> = [None]
        .into_iter()
        .chain(candidates(adapter, operand).into_iter().map(Some))
        .collect();
    let mut timings = Vec::new();
    let mut choose = |orientation: Orientation| -> Result<TilingsBySize, String> {
        let mut fastest = |output: usize| {
            let (tiling, tried) = comparison(
                device,
                operand,
                orientation,
                [rows, hidden, output],
                &tilings,
            )?;
            timings.extend(tried);
            Ok::<_, String>(tiling)
        };
        let [small, large] = [fastest(hidden)?, fastest(inner)?];
        let results = |output| match orientation {
            Orientation::LeftTransposed => hidden * output,
            _ => rows * output,
        };
        Ok(TilingsBySize {
            small,
            large,
            // In the middle on a scale of ratios.
            boundary: ((results(hidden) as f64) * (results(inner) as f64)).sqrt() as usize,
        })
    };
    let tilings = MatmulTilings {
        plain: choose(Orientation::Plain)?,
        right_transposed: choose(Orientation::RightTransposed)?,
        left_transposed: choose(Orientation::LeftTransposed)?,
    };
    Ok((tilings, timings))
}

/// The fastest tiling for one of a dense layer's products, with its epilogue in an encoder layer; the
/// result is `[rows, output]`, or the gradients of a kernel `[input, output]` and its bias.
fn comparison(
    device: &Device,
    operand: Element,
    orientation: Orientation,
    [rows, input, output]: [usize; 3],
    tilings: &[Option<MatmulTiling>],
) -> Result<(Option<MatmulTiling>, Vec<Timing>), String> {
    let random = |shape: [usize; 2]| {
        let values = Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), device);
        match operand {
            Element::F32 => values,
            Element::F16 => values.cast(FloatDType::F16),
        }
    };
    let x = random([rows, input]);
    let kernel = random(match orientation {
        // The gradient of the rows of a layer `[output] → [input]`.
        Orientation::RightTransposed => [output, input],
        _ => [input, output],
    });
    let other = random([rows, output]);
    let bias = Tensor::<1>::zeros([output], device);
    // The feed-forward part's wide layer is followed by GELU.
    let wide = output > input;
    let run = |tiling: Option<MatmulTiling>| {
        let layer = DenseLayer {
            kernel: kernel.clone(),
            bias: bias.clone(),
            tilings: tiling.map_or_else(MatmulTilings::default, MatmulTilings::all),
        };
        let (x, other) = (x.clone(), other.clone());
        match (orientation, wide) {
            (Orientation::Plain, true) => <[_; 2]>::from(layer.gelu_keeping(x)).to_vec(),
            (Orientation::Plain, false) => vec![layer.residual(x, other, None)],
            (Orientation::RightTransposed, true) => vec![layer.inner_gradient(x, other)],
            (Orientation::RightTransposed, false) => vec![layer.input_gradient(x)],
            (Orientation::LeftTransposed, _) => {
                let (kernel, bias) = layer.parameter_gradients(x, other);
                vec![kernel, bias.unsqueeze()]
            }
        }
    };
    let comparison = Comparison {
        device,
        operation: format!("{} {input}→{output}", orientation.formula()),
        flops: 2.0 * (rows * input * output) as f64,
        // Another order of summation, and f16's rounding where the result is stored so.
        tolerance: match operand {
            Element::F32 => 1e-4,
            Element::F16 => 2e-3,
        },
    };
    comparison.fastest(tilings, MatmulTiling::name, run)
}
