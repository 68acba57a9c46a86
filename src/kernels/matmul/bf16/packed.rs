//! Operands rounded to bf16 and packed in the order in which they are multiplied.

use std::cell::RefCell;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::{
    instructions::Instructions,
    plain,
    tiles::{Cut, DEPTH, LINES, Run, Tile},
};

/// Most lines packed in one go, enough to span whole cache lines if the source's rows lie across
/// them.
const STRIP: usize = 128;

/// Values that are packed faster by one thread than divided among several.
const TOO_FEW: usize = 1 << 16;

/// A row-major matrix in memory, or its transpose.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    /// Rows and columns in memory.
    stored: [usize; 2],
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// # Panics
    /// If the number of values does not match the shape.
    pub fn new(values: &'a [f32], shape: [usize; 2]) -> Self {
        assert_eq!(values.len(), shape[0] * shape[1], "values of {shape:?}");
        Self {
            values,
            stored: shape,
            transposed: false,
        }
    }

    /// Returns the transpose without moving data.
    pub fn transposed(mut self) -> Self {
        self.transposed = !self.transposed;
        self
    }
}

/// Side of an operand in a matmul.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `[m, k]`
    Left,
    /// `[k, n]`
    Right,
}

/// An operand, rounded to bf16 and packed in the order in which it is multiplied. An operand of
/// several matmuls, such as a weight within a training step, is packed once.
pub struct Packed {
    pub instructions: Instructions,
    pub(super) side: Side,
    /// Rows of a left operand, columns of a right one.
    pub lines: usize,
    /// Values per line, which is the number of terms of each sum.
    pub(super) depth: usize,
    /// Panels of 16 lines each, in pairs, of [`pitch`](Self::pitch) tiles, zero-padded beyond the
    /// operand. A larger operand that was packed here before may leave more tiles behind.
    tiles: Vec<Tile>,
}

impl Packed {
    /// Packs `matrix` for one side of a matmul.
    ///
    /// # Panics
    /// If the machine lacks the instructions.
    pub fn new(instructions: Instructions, matrix: Matrix<'_>, side: Side) -> Self {
        Self::reusing(None, instructions, matrix, side)
    }

    /// Same as [`new`](Self::new), reusing the memory of another operand.
    pub fn reusing(
        spare: Option<Self>,
        instructions: Instructions,
        matrix: Matrix<'_>,
        side: Side,
    ) -> Self {
        assert!(instructions.available(), "no {instructions} here");
        let mut packed = Self {
            instructions,
            side,
            lines: 0,
            depth: 0,
            tiles: spare.map_or_else(Vec::new, |spare| spare.tiles),
        };
        packed.fill(matrix);
        packed
    }

    /// Runs `work` on an operand packed for a single matmul, in memory that this thread keeps for
    /// the next one.
    pub fn with<R>(
        instructions: Instructions,
        matrix: Matrix<'_>,
        side: Side,
        work: impl FnOnce(&Self) -> R,
    ) -> R {
        thread_local! {
            static KEPT: RefCell<[Option<Packed>; 2]> = const { RefCell::new([None, None]) };
        }
        let kept = KEPT.with_borrow_mut(|kept| kept[side as usize].take());
        let packed = Self::reusing(kept, instructions, matrix, side);
        let result = work(&packed);
        KEPT.with_borrow_mut(|kept| kept[side as usize] = Some(packed));
        result
    }

    fn fill(&mut self, matrix: Matrix<'_>) {
        let across = (self.side == Side::Right) != matrix.transposed;
        let [rows, columns] = matrix.stored;
        [self.lines, self.depth] = match across {
            false => [rows, columns],
            true => [columns, rows],
        };
        let run = match across {
            false => Run::AlongDepth,
            true => Run::AcrossLines,
        };
        let cut = Cut {
            run,
            stride: columns,
            pairs: self.side == Side::Right,
        };
        let (instructions, shape) = (self.instructions, [self.lines, self.depth]);
        let (pitch, count) = (
            self.pitch(),
            self.lines.div_ceil(2 * LINES) * 2 * self.pitch(),
        );
        if self.tiles.len() < count {
            self.tiles.resize(count, Tile::ZERO);
        }
        let strip_lines = strip_lines(shape, rayon::current_num_threads());
        let strips = self.tiles[..count].par_chunks_mut(strip_lines / LINES * pitch);
        strips.enumerate().for_each(|(strip, tiles)| {
            let panels = tiles.len() / pitch;
            for number in 0..tiles.len() {
                // Iterate along the rows in memory, whichever way they lie.
                let (panel, step) = match run {
                    Run::AlongDepth => (number / pitch, number % pitch),
                    Run::AcrossLines => (number % panels, number / panels),
                };
                let first = [strip * strip_lines + panel * LINES, step * DEPTH];
                let tile = &mut tiles[panel * pitch + step];
                cut_out(instructions, (matrix.values, shape), first, cut, tile);
            }
        });
    }

    /// Returns the tiles per panel.
    pub(super) fn pitch(&self) -> usize {
        self.depth.div_ceil(DEPTH).max(1)
    }

    /// Returns the tiles of the panels that hold these lines.
    pub(super) fn panels(&self, first: usize, lines: usize) -> &[Tile] {
        let end = (first + lines).next_multiple_of(2 * LINES);
        &self.tiles[first / LINES * self.pitch()..end / LINES * self.pitch()]
    }
}

/// Returns how many lines of an operand of `lines` by `depth` values are packed in one go. A few
/// long lines, as in a narrow layer's kernel gradient, are divided among all threads, too.
fn strip_lines([lines, depth]: [usize; 2], threads: usize) -> usize {
    if lines * depth < TOO_FEW {
        return STRIP;
    }
    let share = lines.div_ceil(threads).next_multiple_of(LINES);
    share.clamp(LINES, STRIP)
}

/// Packs the tile that starts at `first`, a line and an index along `k`, from values of `shape`,
/// lines by values along `k`; pads with zeros beyond them.
fn cut_out(
    instructions: Instructions,
    (values, shape): (&[f32], [usize; 2]),
    first: [usize; 2],
    cut: Cut,
    tile: &mut Tile,
) {
    let make: fn(&[f32], Cut, &mut Tile) = match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Amx | Instructions::Avx512 => avx512::tile,
        _ => plain::tile,
    };
    let left = [0, 1].map(|axis| shape[axis].saturating_sub(first[axis]));
    let [row, column] = cut.run.in_memory(first);
    let source = values.get(row * cut.stride + column..);
    if let (true, Some(source)) = (left[0] >= LINES && left[1] >= DEPTH, source) {
        return make(source, cut, tile);
    }
    let mut padded = [0.0; LINES * DEPTH];
    let [_, stride] = cut.run.in_memory([LINES, DEPTH]);
    let [rows, columns] = cut.run.in_memory([left[0].min(LINES), left[1].min(DEPTH)]);
    if let (true, Some(source)) = (rows * columns > 0, source) {
        let rows = padded.chunks_exact_mut(stride).take(rows);
        for (padded, source) in rows.zip(source.chunks(cut.stride)) {
            padded[..columns].copy_from_slice(&source[..columns]);
        }
    }
    make(&padded, Cut { stride, ..cut }, tile);
}
