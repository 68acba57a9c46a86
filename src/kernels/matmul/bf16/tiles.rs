//! The pieces that packed operands and sums consist of.
//!
//! A tile is what an AMX register holds: 16 rows of 64 bytes. A left operand is stored as rows of 32
//! values along `k`; a right one as rows of 16 columns, each with two values along `k`. (Intel, 64 and
//! IA-32 Architectures Software Developer's Manual, TDPBF16PS.) The one is the transpose of the
//! other if a pair of values is taken for one word. AVX-512-BF16 multiplies the same pairs.

/// Rows or columns of an operand in a tile, and rows and columns of a tile of sums.
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

/// How the source of a tile lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// The values of a line are neighbours: 16 rows of 32 values.
    AlongDepth,
    /// The lines are neighbours: 32 rows of 16 values.
    AcrossLines,
}

impl Run {
    /// Rows and columns of memory for lines and values along `k`.
    pub(super) const fn in_memory(self, [lines, depth]: [usize; 2]) -> [usize; 2] {
        match self {
            Run::AlongDepth => [lines, depth],
            Run::AcrossLines => [depth, lines],
        }
    }
}

/// How tiles are made of values in memory.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) run: Run,
    /// From a row in memory to the next.
    pub(super) stride: usize,
    /// Rows of pairs, for a right operand, rather than rows along `k`.
    pub(super) pairs: bool,
}

/// Panels of an operand: a panel is 16 lines, `pitch` tiles along `k`, of which `depth` are meant.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) tiles: &'a [Tile],
    pub(super) pitch: usize,
    pub(super) first: usize,
    pub(super) depth: usize,
}

impl<'a> Panels<'a> {
    /// Two neighbours' tiles along `k`.
    pub(super) fn pair(&self, number: usize) -> [&'a [Tile]; 2] {
        [2 * number, 2 * number + 1].map(|panel| {
            let start = panel * self.pitch + self.first;
            &self.tiles[start..start + self.depth]
        })
    }
}

/// Writes a row of 2 × 2 tiles of sums that are beside each other into `values`, as many as it has.
pub(super) fn lay_out(sums: &[[Sums; 4]], row: usize, values: &mut [f32]) {
    let (upper, row) = (row / LINES * 2, row % LINES);
    let line = |place: usize| &sums[place / 2][upper + place % 2].0[row];
    // Arrays, of which the compiler knows the length: a slice would be a call for each.
    let (whole, rest) = values.as_chunks_mut::<LINES>();
    for (place, values) in whole.iter_mut().enumerate() {
        *values = *line(place);
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&line(whole.len())[..rest.len()]);
    }
}
