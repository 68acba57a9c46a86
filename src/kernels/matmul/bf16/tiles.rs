//! The tiles that make up packed operands and sums.
//!
//! A tile is what an AMX register holds: 16 rows of 64 bytes. A left operand is stored as rows of
//! 32 values along `k`; a right operand as rows of 16 columns, each with two values along `k`
//! (Intel, 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS). With each pair of
//! values taken as one word, one layout is the transpose of the other. AVX-512-BF16 multiplies the
//! same pairs.

/// Lines (rows or columns) of an operand in a tile, and rows and columns of a tile of sums.
pub(super) const LINES: usize = 16;

/// Values along `k` in a tile.
pub(super) const DEPTH: usize = 32;

/// Pairs of bf16, 16 rows of 16.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Tile(pub(super) [[u32; LINES]; LINES]);

impl Tile {
    pub(super) const ZERO: Self = Self([[0; LINES]; LINES]);
}

/// Sums, 16 rows of 16.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [[f32; LINES]; LINES]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; LINES]; LINES]);
}

/// Memory order of a tile's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Values of a line are contiguous: 16 rows of 32 values.
    AlongDepth,
    /// Lines are contiguous: 32 rows of 16 values.
    AcrossLines,
}

impl Run {
    /// Converts extents in lines and values along `k` to rows and columns in memory.
    pub(super) const fn in_memory(self, [lines, depth]: [usize; 2]) -> [usize; 2] {
        match self {
            Run::AlongDepth => [lines, depth],
            Run::AcrossLines => [depth, lines],
        }
    }
}

/// How a tile is cut out of values in memory.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) run: Run,
    /// Distance from one row in memory to the next.
    pub(super) stride: usize,
    /// Rows of pairs, for a right operand, rather than rows along `k`.
    pub(super) pairs: bool,
}

/// Panels of an operand: a panel is 16 lines of `pitch` tiles along `k`; this selects `depth` tiles
/// from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) tiles: &'a [Tile],
    pub(super) pitch: usize,
    pub(super) first: usize,
    pub(super) depth: usize,
}

impl<'a> Panels<'a> {
    /// Returns the selected tiles of two neighbouring panels.
    pub(super) fn pair(&self, number: usize) -> [&'a [Tile]; 2] {
        [2 * number, 2 * number + 1].map(|panel| {
            let start = panel * self.pitch + self.first;
            &self.tiles[start..start + self.depth]
        })
    }
}

/// Writes one row of adjacent 2 × 2 tiles of sums into `values`, filling it.
pub(super) fn lay_out(sums: &[[Sums; 4]], row: usize, values: &mut [f32]) {
    let (upper, row) = (row / LINES * 2, row % LINES);
    let line = |place: usize| &sums[place / 2][upper + place % 2].0[row];
    // Arrays of known length, since a slice would cost a memcpy call each.
    let (whole, rest) = values.as_chunks_mut::<LINES>();
    for (place, values) in whole.iter_mut().enumerate() {
        *values = *line(place);
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&line(whole.len())[..rest.len()]);
    }
}
