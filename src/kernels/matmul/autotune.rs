//! Autotunes matmuls: which tilings a device offers, and which of them is fastest.
//!
//! Drivers differ more than data sheets say, so nothing is assumed. Each tiling that the device
//! offers computes dense layers and their two gradients at the model's own shapes; a tiling that
//! disagrees with sums in f64 is left out. The fastest of the others is chosen, separately for each
//! matmul, if it also computes every other launch of a layer correctly.

mod forms;
mod operands;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use burn::tensor::Device;

use self::{forms::Forms, operands::Operands};
use super::{
    MatmulTilings, TilingsBySize,
    config::{MatmulTiling, Orientation},
    cooperative::CooperativeTiling,
};
use crate::{
    device::AdapterInfo,
    kernels::{
        autotune::{
            attempts::Attempts,
            error::Error,
            timing::{Comparison, Timing},
        },
        formats::Element,
        work,
    },
};

/// Most rows of the timed matmuls: enough to fill a large GPU, and not a multiple of any tile, as
/// the rows of a packed batch are not.
pub(in crate::kernels) const ROWS: usize = 8_187;

/// Fewest rows; also used on a software adapter, which is slow and has few cores to fill.
const FEW_ROWS: usize = 123;

/// Most rows of the launches that are only checked: several blocks of every tiling, the last one incomplete.
const CHECKED_ROWS: usize = 523;

/// Longest that one matmul of [`ROWS`] may take; a slower device gets fewer rows.
const LONGEST: Duration = Duration::from_millis(50);

/// A cooperative-matrix tiling to try; fields as in [`CooperativeTiling`].
struct Block {
    grid: [usize; 2],
    tiles: [usize; 2],
    depth: usize,
    ahead: bool,
    turned: bool,
}

impl Block {
    const fn new(grid: [usize; 2], tiles: [usize; 2], depth: usize) -> Self {
        Self {
            grid,
            tiles,
            depth,
            ahead: false,
            turned: false,
        }
    }

    const fn ahead(self) -> Self {
        Self {
            ahead: true,
            ..self
        }
    }

    const fn turned(self) -> Self {
        Self {
            turned: true,
            ..self
        }
    }
}

const BLOCKS: [Block; 8] = [
    Block::new([2, 2], [4, 4], 32),
    Block::new([2, 2], [4, 4], 32).ahead(),
    Block::new([2, 2], [4, 4], 32).turned(),
    Block::new([2, 2], [4, 4], 32).ahead().turned(),
    Block::new([2, 2], [4, 4], 16).ahead(),
    Block::new([2, 4], [4, 2], 32).ahead(),
    Block::new([2, 4], [4, 4], 32),
    Block::new([2, 2], [2, 2], 32).ahead(),
];

/// Returns the tilings that an adapter offers for operands of this format, cooperative matrices
/// first.
pub fn candidates(adapter: &AdapterInfo, operand: Element) -> Vec<MatmulTiling> {
    let mut tilings = Vec::new();
    if let (Element::F16, Some((smallest, largest))) = (operand, adapter.subgroup) {
        let sizes = [16, 8]
            .into_iter()
            .filter(|&size| adapter.multiplies_f16(size));
        // A driver may use any subgroup size between the two.
        let subgroups = BTreeSet::from([smallest, largest]);
        for (size, subgroup) in sizes.flat_map(|size| subgroups.iter().map(move |&s| (size, s))) {
            for block in BLOCKS {
                let Block {
                    grid,
                    tiles,
                    depth,
                    ahead,
                    turned,
                } = block;
                tilings.push(MatmulTiling::Cooperative(CooperativeTiling {
                    size,
                    grid,
                    tiles,
                    depth,
                    subgroup: subgroup as usize,
                    ahead,
                    turned,
                    vectors: adapter.loads_matrices_from_vectors(),
                }));
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

/// Autotunes the dense layers `[hidden] → [hidden]` and `[hidden] → [inner]` on up to `tokens`
/// rows.
///
/// # Errors
/// If the device is lost or the user asks to stop.
pub(in crate::kernels) fn choose(
    device: &Device,
    adapter: &AdapterInfo,
    attempts: &mut Attempts,
    operand: Element,
    [tokens, hidden, inner]: [usize; 3],
) -> Result<(MatmulTilings, Vec<Timing>), Error> {
    let rows = match adapter.is_software() {
        true => FEW_ROWS,
        false => affordable(device, operand, hidden, inner)?,
    };
    let rows = rows.min(tokens).max(1);
    let tilings: Vec<Option<MatmulTiling>> = [None]
        .into_iter()
        .chain(candidates(adapter, operand).into_iter().map(Some))
        .collect();
    let mut timings = Vec::new();
    let mut choose = |orientation: Orientation| -> Result<TilingsBySize, Error> {
        let mut fastest = |output: usize| {
            let shape = [rows, hidden, output];
            let (tiling, tried) = fastest(
                device,
                adapter,
                attempts,
                operand,
                orientation,
                shape,
                &tilings,
            )?;
            timings.extend(tried);
            Ok::<_, Error>(tiling)
        };
        let [small, large] = [fastest(hidden)?, fastest(inner)?];
        let results = |output| match orientation {
            Orientation::LeftTransposed => hidden * output,
            _ => rows * output,
        };
        Ok(TilingsBySize {
            small,
            large,
            // Geometric mean of the two sizes.
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

/// Returns how many rows this device multiplies in reasonable time, extrapolated from timing Burn's
/// matmul on a few rows.
fn affordable(
    device: &Device,
    operand: Element,
    hidden: usize,
    inner: usize,
) -> Result<usize, Error> {
    let operands = Operands::new(
        device,
        operand,
        Orientation::Plain,
        [FEW_ROWS, hidden, inner],
    );
    let synchronise = || device.sync().map_err(|e| format!("{e:?}"));
    let mut time = Duration::MAX;
    // The first run compiles the kernel.
    for _ in 0..3 {
        synchronise()?;
        let began = Instant::now();
        let results = operands.run(None);
        synchronise()?;
        time = time.min(began.elapsed());
        drop(results);
    }
    work::set_rates(device, [operands.flops() / time.as_secs_f64(); 2]);
    let rows = FEW_ROWS as f64 * LONGEST.div_duration_f64(time);
    Ok((rows as usize).clamp(FEW_ROWS, ROWS))
}

/// Finds the fastest tiling for one of a dense layer's matmuls, with the epilogue it has in an
/// encoder layer.
fn fastest(
    device: &Device,
    adapter: &AdapterInfo,
    attempts: &mut Attempts,
    operand: Element,
    orientation: Orientation,
    shape: [usize; 3],
    tilings: &[Option<MatmulTiling>],
) -> Result<(Option<MatmulTiling>, Vec<Timing>), Error> {
    let operands = Operands::new(device, operand, orientation, shape);
    let [rows, input, output] = shape;
    let forms = Forms::new(
        device,
        operand,
        orientation,
        [rows.min(CHECKED_ROWS), input, output],
    );
    // Without an operand whose lines lie across the depth, there is nothing to transpose.
    let turns = orientation != Orientation::RightTransposed;
    let tilings: Vec<_> = tilings
        .iter()
        .copied()
        .filter(|tiling| turns || !tiling.is_some_and(MatmulTiling::is_turned))
        .collect();
    let comparison = Comparison {
        device,
        operation: format!("{} {input}→{output}", orientation.formula()),
        settles: !adapter.is_software(),
        kind: format!("product of {}", operand.name()),
        flops: operands.flops(),
        expected: operands.expected(),
        // Allows for another order of summation and, in f16, for rounding of the stored result.
        tolerance: match operand {
            Element::F32 => 1e-4,
            Element::F16 => 2e-3,
        },
    };
    let run = |tiling| operands.run(tiling);
    comparison.fastest(attempts, &tilings, MatmulTiling::name, run, &forms.all())
}
