//! Matmuls on the GPU (`shaders/matmul_*.wgsl`), and which tiling a device runs.

pub mod autotune;
pub mod bf16;
pub mod config;
pub mod cooperative;
pub(super) mod cpu;

use std::fmt;

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::{DType, Shape},
};

use cubecl::ir::attributes::BufferIOAttr;
use serde::{Deserialize, Serialize};

use self::config::{
    Epilogue, Matmul, MatmulParams, MatmulShader, MatmulTiling, Orientation, Products,
};
use super::{
    dropout::Dropped,
    formats::Element,
    launch::{WIDEST_DISPATCH, binds, launch_in_order, like, owned},
    work,
};

/// A smaller dimension than this leaves the matmul to Burn.
const SMALLEST: usize = 16;

/// The tilings that a device runs for each orientation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MatmulTilings {
    /// `[m, k] · [k, n]`: a dense layer.
    pub plain: TilingsBySize,
    /// `[k, m]ᵀ · [k, n]`: the gradient of its kernel.
    pub left_transposed: TilingsBySize,
    /// `[m, k] · [n, k]ᵀ`: the gradient of its input.
    pub right_transposed: TilingsBySize,
}

/// The tilings for matmuls of one orientation; `None` means Burn's own matmul.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TilingsBySize {
    pub small: Option<MatmulTiling>,
    pub large: Option<MatmulTiling>,
    /// Result size, `m · n`, from which a matmul counts as large.
    pub boundary: usize,
}

impl MatmulTilings {
    /// Burn's own matmul at every size.
    pub const BURNS: Self = Self {
        plain: TilingsBySize::BURNS,
        left_transposed: TilingsBySize::BURNS,
        right_transposed: TilingsBySize::BURNS,
    };

    /// Uses the same tiling for every size.
    pub fn all(tiling: MatmulTiling) -> Self {
        let tilings = TilingsBySize {
            small: Some(tiling),
            large: Some(tiling),
            boundary: 0,
        };
        Self {
            plain: tilings,
            left_transposed: tilings,
            right_transposed: tilings,
        }
    }

    fn tilings(self, orientation: Orientation) -> TilingsBySize {
        match orientation {
            Orientation::Plain => self.plain,
            Orientation::LeftTransposed => self.left_transposed,
            Orientation::RightTransposed => self.right_transposed,
        }
    }

    /// Returns the tiling that supports these operands, or `None` to leave them to Burn.
    pub(super) fn fitting(
        self,
        [left, right]: [&[CubeTensor]; 2],
        orientation: Orientation,
    ) -> Option<MatmulTiling> {
        let (a, b) = (left.first()?, right.first()?);
        let alike = |operands: &[CubeTensor]| {
            let mut pairs = operands.windows(2);
            pairs.all(|pair| pair[0].shape() == pair[1].shape() && pair[0].dtype == pair[1].dtype)
        };
        let products = products(left, right).filter(|_| alike(left) && alike(right))?;
        let [_, _, results] = products.counts();
        let [m, n, _] = extents(&a.shape(), &b.shape(), orientation);
        self.tilings(orientation)
            .of(m * n * results)
            .filter(|&tiling| {
                binds(a, products.arrays()) && fits(tiling, a, b, orientation, results)
            })
    }
}

impl TilingsBySize {
    const BURNS: Self = Self {
        small: None,
        large: None,
        boundary: 0,
    };

    /// Returns the tiling for a result of this size.
    fn of(self, results: usize) -> Option<MatmulTiling> {
        if results < self.boundary {
            self.small
        } else {
            self.large
        }
    }
}

impl fmt::Display for MatmulTilings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orientations = [
            Orientation::Plain,
            Orientation::RightTransposed,
            Orientation::LeftTransposed,
        ];
        for (number, orientation) in orientations.into_iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let TilingsBySize { small, large, .. } = self.tilings(orientation);
            let large_name = MatmulTiling::name(large);
            write!(f, "{comma}{} {large_name}", orientation.formula())?;
            if small != large {
                write!(f, " (small ones {})", MatmulTiling::name(small))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for MatmulTiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tiled { .. } => {
                let [rows, columns] = self.block();
                write!(f, "tiled {rows}x{columns}")
            }
            Self::Cooperative(tiling) => tiling.fmt(f),
        }
    }
}

/// Returns `m`, `n` and `k` of a matmul.
pub(super) fn extents(a: &Shape, b: &Shape, orientation: Orientation) -> [usize; 3] {
    match orientation {
        Orientation::Plain => [a[0], b[1], a[1]],
        Orientation::LeftTransposed => [a[1], b[1], a[0]],
        Orientation::RightTransposed => [a[0], b[0], a[1]],
    }
}

/// Returns the kind of launch for this many operands, if there are shaders for it.
fn products(left: &[CubeTensor], right: &[CubeTensor]) -> Option<Products> {
    [Products::One, Products::Beside, Products::Summed]
        .into_iter()
        .find(|products| products.counts()[..2] == [left.len(), right.len()])
}

/// Returns whether the shader supports these operands, with `results` results side by side.
fn fits(
    tiling: MatmulTiling,
    a: &CubeTensor,
    b: &CubeTensor,
    orientation: Orientation,
    results: usize,
) -> bool {
    let operand = Element::of(a.dtype).filter(|_| a.dtype == b.dtype);
    let [m, n, k] = extents(&a.shape(), &b.shape(), orientation);
    let [rows, columns] = tiling.block();
    let groups = m.div_ceil(rows).max(results * n.div_ceil(columns));
    let formats = match tiling {
        MatmulTiling::Tiled { .. } => operand.is_some(),
        // Lines are read as vec4.
        MatmulTiling::Cooperative { .. } => {
            operand == Some(Element::F16)
                && a.shape()[1].is_multiple_of(4)
                && b.shape()[1].is_multiple_of(4)
        }
    };
    // Results are written as vec4.
    formats
        && n.is_multiple_of(4)
        && m.min(n).min(k) >= SMALLEST
        && groups <= WIDEST_DISPATCH as usize
}

/// Additional tensors of a matmul, by epilogue.
#[expect(clippy::large_enum_variant, reason = "one a launch, never stored")]
pub(super) enum EpilogueTensors {
    Plain,
    /// `[n]`, one for each right operand.
    Bias(Vec<CubeTensor>),
    /// Optionally keeps the values before GELU.
    Gelu {
        bias: CubeTensor,
        kept: bool,
    },
    /// `residual` is `[m, n]` in the result's format.
    Residual {
        bias: CubeTensor,
        residual: CubeTensor,
        dropped: Option<Dropped>,
    },
    /// The values kept before GELU, `[m, n]` in the result's format.
    GeluGradient(CubeTensor),
    /// Accumulated into, in place if not shared, `[m, n]` in the result's format.
    Onto(CubeTensor),
    ColumnSums,
}

/// Computes the products with a tiling that fits the operands; also returns the values before GELU
/// or the column sums of each right operand, if requested.
pub(super) fn matmul(
    tiling: MatmulTiling,
    operands: [Vec<CubeTensor>; 2],
    orientation: Orientation,
    result: Element,
    epilogue: EpilogueTensors,
) -> [Vec<CubeTensor>; 2] {
    let in_order = |tensors: Vec<CubeTensor>| -> Vec<CubeTensor> {
        tensors.into_iter().map(into_contiguous).collect()
    };
    let [left, right] = operands.map(in_order);
    let products = products(&left, &right).unwrap_or(Products::One);
    let [_, summed, results] = products.counts();
    let a = &left[0];
    let [m, n, k] = extents(&a.shape(), &right[0].shape(), orientation);
    let fresh = || like(a, Shape::new([m, n]), result);
    // Results, additional inputs, and additional outputs.
    let (mut c, mut bias, mut other, mut beside) = (Vec::new(), Vec::new(), None, Vec::new());
    let mut dropped = None;
    let mut of_c = BufferIOAttr::WriteOnly;
    let epilogue = match epilogue {
        EpilogueTensors::Plain => Epilogue::Plain,
        EpilogueTensors::Bias(values) => {
            bias = in_order(values);
            Epilogue::Bias
        }
        EpilogueTensors::Gelu { bias: values, kept } => {
            bias = in_order(vec![values]);
            beside.extend(kept.then(fresh));
            Epilogue::Gelu { kept }
        }
        EpilogueTensors::Residual {
            bias: values,
            residual,
            dropped: mask,
        } => {
            bias = in_order(vec![values]);
            other = Some(into_contiguous(residual));
            dropped = mask;
            Epilogue::Residual {
                masked: dropped.is_some(),
            }
        }
        EpilogueTensors::GeluGradient(inner) => {
            other = Some(into_contiguous(inner));
            Epilogue::GeluGradient
        }
        EpilogueTensors::Onto(sum) => {
            c.push(owned(sum));
            of_c = BufferIOAttr::ReadWrite;
            Epilogue::Onto
        }
        EpilogueTensors::ColumnSums => {
            beside.extend((0..summed).map(|_| like(a, Shape::new([n]), Element::F32)));
            Epilogue::ColumnSums
        }
    };
    if c.is_empty() {
        c.extend((0..results).map(|_| fresh()));
    }
    let matmul = Matmul {
        products,
        orientation,
        operand: match a.dtype {
            DType::F16 => Element::F16,
            _ => Element::F32,
        },
        result,
        epilogue,
    };
    let [rows, columns] = tiling.block();
    let words = dropped
        .as_ref()
        .map(|dropped| dropped.sequences.on_device(a).words);
    let read = |tensor| (tensor, BufferIOAttr::ReadOnly);
    let arrays: Vec<_> = words
        .iter()
        .chain(&left)
        .chain(&right)
        .map(read)
        .chain(c.iter().map(|tensor| (tensor, of_c)))
        .chain(bias.iter().chain(&other).map(read))
        .chain(
            beside
                .iter()
                .map(|tensor| (tensor, BufferIOAttr::WriteOnly)),
        )
        .collect();
    work::launching(
        &a.client,
        2.0 * (m * n * k * right.len().max(left.len())) as f64,
    );
    launch_in_order(
        &a.client,
        MatmulShader { matmul, tiling },
        [
            (results * n.div_ceil(columns)) as u32,
            m.div_ceil(rows) as u32,
        ],
        &MatmulParams {
            m: m as u32,
            n: n as u32,
            k: k as u32,
            mask: dropped.as_ref().map(|dropped| dropped.mask),
        },
        &arrays,
    );
    [c, beside]
}
