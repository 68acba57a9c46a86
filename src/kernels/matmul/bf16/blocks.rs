//! Division of a matmul among cores and cache levels.

use std::cell::RefCell;

use rayon::prelude::*;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::{
    instructions::Instructions,
    packed::{Packed, Side},
    plain,
    tiles::{LINES, Panels, Sums, Tile, lay_out},
};

/// Largest block, in rows and columns, that a core computes in one go: its operands and sums fit
/// the core's own cache.
const BLOCK: [usize; 2] = [512, 512];

/// Rows and columns of the smallest block.
const LEAST: usize = 2 * LINES;

/// Number of tiles along `k` up to which sums are computed in one part, without being stored in
/// between.
const WHOLE: usize = 32;

/// Most tiles along `k` in a part of longer sums: the panels of 2 × 2 tiles of sums fit the L1
/// cache.
const PART: usize = 10;

/// Computes `out [m, n] = left · right`, row-major, then calls `finish` on each piece of a row with
/// the indices of the row and of the piece's first column.
///
/// # Panics
/// If the shapes of the operands and `out` do not match.
pub fn product(
    left: &Packed,
    right: &Packed,
    out: &mut [f32],
    finish: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let [m, n] = [left.lines, right.lines];
    assert_eq!([left.side, right.side], [Side::Left, Side::Right]);
    assert_eq!(left.instructions, right.instructions);
    assert_eq!(left.depth, right.depth, "terms of the sums");
    assert_eq!(out.len(), m * n, "{m} × {n}");
    if m * n == 0 {
        return;
    }
    let size = block_size([m, n], rayon::current_num_threads());
    blocks(out, n, size).into_par_iter().for_each(|mut block| {
        let panels = [
            left.panels(block.row, block.rows.len()),
            right.panels(block.column, block.rows[0].len()),
        ];
        multiply_all(left.instructions, panels, left.pitch(), |pair, sums| {
            let first = pair * LEAST;
            let rows = block.rows.iter_mut().skip(first).take(LEAST);
            for (row, out) in rows.enumerate() {
                let out: &mut [f32] = out;
                lay_out(sums, row, out);
                finish(block.row + first + row, block.column, out);
            }
        });
    });
}

/// A block of the result: pieces of consecutive rows.
struct Block<'a> {
    /// Index of its first row and column.
    row: usize,
    column: usize,
    rows: Vec<&'a mut [f32]>,
}

/// Returns the rows and columns of the blocks of a result of `shape`.
fn block_size(shape: [usize; 2], threads: usize) -> [usize; 2] {
    let mut size = BLOCK;
    if threads == 1 {
        return size;
    }
    loop {
        let count = shape[0].div_ceil(size[0]) * shape[1].div_ceil(size[1]);
        if count >= 3 * threads || size == [LEAST; 2] {
            return size;
        }
        let longer = usize::from(size[1] >= size[0]);
        size[longer] /= 2;
    }
}

/// Splits `out`, whose rows have `columns` values, into blocks of `size`.
fn blocks(out: &mut [f32], columns: usize, size: [usize; 2]) -> Vec<Block<'_>> {
    let across = columns.div_ceil(size[1]);
    let mut blocks = Vec::new();
    for (number, rows) in out.chunks_mut(size[0] * columns).enumerate() {
        let first = blocks.len();
        blocks.extend((0..across).map(|column| Block {
            row: number * size[0],
            column: column * size[1],
            rows: Vec::with_capacity(size[0]),
        }));
        for row in rows.chunks_exact_mut(columns) {
            for (piece, block) in row.chunks_mut(size[1]).zip(&mut blocks[first..]) {
                block.rows.push(piece);
            }
        }
    }
    blocks
}

/// Multiplies all panels of two operands; `take` receives the index of each pair of left panels and
/// its sums.
fn multiply_all(
    instructions: Instructions,
    [left, right]: [&[Tile]; 2],
    pitch: usize,
    mut take: impl FnMut(usize, &[[Sums; 4]]),
) {
    let multiply = match instructions {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Instructions::Amx => amx::multiply,
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => avx512::multiply,
        _ => plain::multiply,
    };
    let parts = match pitch <= WHOLE {
        true => 1,
        false => pitch.div_ceil(PART),
    };
    let [rows, columns] = [left, right].map(|tiles| tiles.len() / pitch / 2);
    let kept = if parts == 1 { columns } else { rows * columns };
    with_scratch(kept, |all| {
        let mut first = 0;
        for part in 0..parts {
            // Split as evenly as possible.
            let depth = (pitch - first).div_ceil(parts - part);
            let [left, right] = [left, right].map(|tiles| Panels {
                tiles,
                pitch,
                first,
                depth,
            });
            for pair in 0..rows {
                // `all` holds either the sums of every pair of left panels or those of a single
                // one.
                let sums = &mut all[pair * columns % kept..][..columns];
                multiply(left.pair(pair), right, sums, part > 0);
                if part + 1 == parts {
                    take(pair, sums);
                }
            }
            first += depth;
        }
    });
}

/// Runs `work` with sums for `pairs` pairs of panels, with arbitrary initial values; each thread
/// reuses its memory across calls.
fn with_scratch(pairs: usize, work: impl FnOnce(&mut [[Sums; 4]])) {
    thread_local! {
        static SCRATCH: RefCell<Vec<[Sums; 4]>> = const { RefCell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    if scratch.len() < pairs {
        scratch.resize(pairs, [const { Sums::ZERO }; 4]);
    }
    work(&mut scratch[..pairs]);
    SCRATCH.set(scratch);
}
