//! Tiles and their products in plain Rust; the instruction sets are tested against this.

use super::tiles::{Cut, Panels, Sums, Tile};

/// Rounds the values at the start of `source` into a tile.
pub(super) fn tile(source: &[f32], cut: Cut, tile: &mut Tile) {
    let value = |line: usize, depth: usize| {
        let [row, column] = cut.run.in_memory([line, depth]);
        u32::from(rounded(source[row * cut.stride + column]))
    };
    for (row, words) in tile.0.iter_mut().enumerate() {
        for (column, word) in words.iter_mut().enumerate() {
            let (line, pair) = match cut.pairs {
                false => (row, column),
                true => (column, row),
            };
            *word = value(line, 2 * pair) | value(line, 2 * pair + 1) << 16;
        }
    }
}

/// Returns the bits of the nearest bf16, ties to even; NaN stays NaN.
fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    let bits = match value.is_nan() {
        true => bits | 1 << 22,
        false => bits + 0x7fff + (bits >> 16 & 1),
    };
    (bits >> 16) as u16
}

/// Multiplies a pair of left panels by all pairs of right panels, giving 2 × 2 tiles of sums for
/// each, which are stored in `sums` or added to them.
pub(super) fn multiply(left: [&[Tile]; 2], right: Panels<'_>, sums: &mut [[Sums; 4]], onto: bool) {
    for (number, sums) in sums.iter_mut().enumerate() {
        let right = right.pair(number);
        for (place, sums) in sums.iter_mut().enumerate() {
            if !onto {
                *sums = Sums::ZERO;
            }
            for (left, right) in left[place / 2].iter().zip(right[place % 2]) {
                add_product(left, right, sums);
            }
        }
    }
}

fn add_product(left: &Tile, right: &Tile, sums: &mut Sums) {
    for (row, sums) in left.0.iter().zip(&mut sums.0) {
        for (pair, columns) in row.iter().zip(&right.0) {
            for (sum, other) in sums.iter_mut().zip(columns) {
                *sum += half(*pair) * half(*other) + half(*pair >> 16) * half(*other >> 16);
            }
        }
    }
}

/// Decodes the lower half of a word; subnormal values become zero, as in the instructions.
fn half(word: u32) -> f32 {
    let value = f32::from_bits(word << 16);
    match value.is_subnormal() {
        true => 0.0_f32.copysign(value),
        false => value,
    }
}
