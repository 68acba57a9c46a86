//! Matrix products on the GPU (`shaders/matmul_*.wgsl`) and which of them a device runs.

pub mod autotune;
pub mod config;
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

use self::config::{Epilogue, Matmul, MatmulParams, MatmulShader, MatmulTiling, Orientation};
use super::{
    dropout::Dropped,
    formats::Element,
    launch::{WIDEST_DISPATCH, launch_in_order, like, owned},
    work,
};

/// Fewer rows, columns or depth than this are left to Burn's product.
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

/// The tilings for products of one orientation; `None` is Burn's own product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TilingsBySize {
    pub small: Option<MatmulTiling>,
    pub large: Option<MatmulTiling>,
    /// Results of a product, `m · n`, from which on it is large.
    pub boundary: usize,
}

impl MatmulTilings {
    /// Burn's own.
    pub const BURNS: Self = Self {
        plain: TilingsBySize::BURNS,
        left_transposed: TilingsBySize::BURNS,
        right_transposed: TilingsBySize::BURNS,
    };

    /// The same tiling for each product.
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

    /// The tiling that computes the product of these operands; `None` leaves it to Burn's.
    pub(super) fn fitting(
        self,
        a: &CubeTensor,
        b: &CubeTensor,
        orientation: Orientation,
    ) -> Option<MatmulTiling> {
        let [m, n, _] = extents(&a.shape(), &b.shape(), orientation);
        self.tilings(orientation)
            .of(m * n)
            .filter(|&tiling| fits(tiling, a, b, orientation))
    }
}

impl TilingsBySize {
    const BURNS: Self = Self {
        small: None,
        large: None,
        boundary: 0,
    };

    /// The tiling for a product with this many results.
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
        let [rows, columns] = self.block();
        match self {
            Self::Tiled { .. } => write!(f, "tiled {rows}x{columns}"),
            Self::Cooperative {
                size,
                grid,
                depth,
                subgroup,
                ahead,
                ..
            } => {
                let ahead = if *ahead { ", one ahead" } else { "" };
                let subgroups = grid[0] * grid[1];
                write!(
                    f,
                    "matrix units {size}x{size}, {subgroups} subgroups of {subgroup} on blocks of \
                     {rows}x{columns}x{depth}{ahead}"
                )
            }
        }
    }
}

/// `m`, `n`, `k` of a product.
pub(super) fn extents(a: &Shape, b: &Shape, orientation: Orientation) -> [usize; 3] {
    match orientation {
        Orientation::Plain => [a[0], b[1], a[1]],
        Orientation::LeftTransposed => [a[1], b[1], a[0]],
        Orientation::RightTransposed => [a[0], b[0], a[1]],
    }
}

/// Whether the shader computes the product of these operands.
fn fits(tiling: MatmulTiling, a: &CubeTensor, b: &CubeTensor, orientation: Orientation) -> bool {
    let operand = Element::of(a.dtype).filter(|_| a.dtype == b.dtype);
    let [m, n, k] = extents(&a.shape(), &b.shape(), orientation);
    let [rows, columns] = tiling.block();
    let groups = m.div_ceil(rows).max(n.div_ceil(columns));
    let formats = match tiling {
        MatmulTiling::Tiled { .. } => operand.is_some(),
        // Lines are read four values at a time.
        MatmulTiling::Cooperative { .. } => {
            operand == Some(Element::F16)
                && a.shape()[1].is_multiple_of(4)
                && b.shape()[1].is_multiple_of(4)
        }
    };
    // Results are written four at a time.
    formats
        && n.is_multiple_of(4)
        && m.min(n).min(k) >= SMALLEST
        && groups <= WIDEST_DISPATCH as usize
}

/// What a product takes besides its operands, by what becomes of it.
#[expect(clippy::large_enum_variant, reason = "one a launch, never stored")]
pub(super) enum EpilogueTensors {
    Plain,
    /// `[n]`
    Bias(CubeTensor),
    /// Whether the values before GELU are kept.
    Gelu {
        bias: CubeTensor,
        kept: bool,
    },
    /// `residual` `[m, n]` in the result's format.
    Residual {
        bias: CubeTensor,
        residual: CubeTensor,
        dropped: Option<Dropped>,
    },
    /// What was kept, `[m, n]` in the result's format.
    GeluGradient(CubeTensor),
    /// Added to in place where no one else holds it, `[m, n]` in the result's format.
    Onto(CubeTensor),
    ColumnSums,
}

/// The product by a tiling that fits the operands, and the values before GELU or the sums of the
/// columns of `b` where they are asked for.
pub(super) fn matmul(
    tiling: MatmulTiling,
    [a, b]: [CubeTensor; 2],
    orientation: Orientation,
    result: Element,
    epilogue: EpilogueTensors,
) -> (CubeTensor, Option<CubeTensor>) {
    let [a, b] = [a, b].map(into_contiguous);
    let [m, n, k] = extents(&a.shape(), &b.shape(), orientation);
    let fresh = || like(&a, Shape::new([m, n]), result);
    let read = |tensor| Some((into_contiguous(tensor), BufferIOAttr::ReadOnly));
    let written = |tensor| (tensor, BufferIOAttr::WriteOnly);
    let (mut c, mut bias, mut other, mut sums) = (None, None, None, None);
    let mut dropped = None;
    let epilogue = match epilogue {
        EpilogueTensors::Plain => Epilogue::Plain,
        EpilogueTensors::Bias(values) => {
            bias = read(values);
            Epilogue::Bias
        }
        EpilogueTensors::Gelu { bias: values, kept } => {
            bias = read(values);
            if kept {
                other = Some(written(fresh()));
            }
            Epilogue::Gelu { kept }
        }
        EpilogueTensors::Residual {
            bias: values,
            residual,
            dropped: mask,
        } => {
            (bias, other) = (read(values), read(residual));
            dropped = mask;
            Epilogue::Residual {
                masked: dropped.is_some(),
            }
        }
        EpilogueTensors::GeluGradient(inner) => {
            other = read(inner);
            Epilogue::GeluGradient
        }
        EpilogueTensors::Onto(sum) => {
            c = Some((owned(sum), BufferIOAttr::ReadWrite));
            Epilogue::Onto
        }
        EpilogueTensors::ColumnSums => {
            let vector = like(&a, Shape::new([n]), Element::F32);
            sums = Some(written(vector));
            Epilogue::ColumnSums
        }
    };
    let c = c.unwrap_or_else(|| written(fresh()));
    let matmul = Matmul {
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
        .map(|dropped| dropped.sequences.on_device(&a).words);
    work::launching(&a.client, 2.0 * (m * n * k) as f64);
    launch_in_order(
        &a.client,
        MatmulShader { matmul, tiling },
        [n.div_ceil(columns) as u32, m.div_ceil(rows) as u32],
        &MatmulParams {
            m: m as u32,
            n: n as u32,
            k: k as u32,
            mask: dropped.map(|dropped| dropped.mask),
        },
        &[
            words.as_ref().map(|words| (words, BufferIOAttr::ReadOnly)),
            Some((&a, BufferIOAttr::ReadOnly)),
            Some((&b, BufferIOAttr::ReadOnly)),
            Some((&c.0, c.1)),
            bias.as_ref().map(|(tensor, with)| (tensor, *with)),
            other.as_ref().map(|(tensor, with)| (tensor, *with)),
            sums.as_ref().map(|(tensor, with)| (tensor, *with)),
        ],
    );
    let second = match epilogue {
        Epilogue::Gelu { kept: true } => other,
        Epilogue::ColumnSums => sums,
        _ => None,
    };
    (c.0, second.map(|(tensor, _)| tensor))
}
