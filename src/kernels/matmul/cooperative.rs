//! Matmuls with cooperative matrices: the tiling, how operands are staged, and the shader text that
//! follows from both (`shaders/matmul_cooperative.wgsl`).

use std::fmt;

use burn::backend::wgpu::SourceTemplate;
use serde::{Deserialize, Serialize};

use crate::kernels::wgsl::{shared_array, unroll};

/// A block of `grid` subgroups, each computing `tiles` matrices of `size × size`; rows, then
/// columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CooperativeTiling {
    pub size: usize,
    pub grid: [usize; 2],
    pub tiles: [usize; 2],
    /// Depth of a staged slice.
    pub depth: usize,
    /// Expected subgroup size.
    pub subgroup: usize,
    /// Whether the next slice is prefetched while the current one is multiplied.
    pub ahead: bool,
    /// Whether operands whose lines lie across the depth are transposed when staged; some devices
    /// load one matrix layout from workgroup memory faster than the other.
    pub turned: bool,
    /// Whether workgroup memory is declared as vectors rather than scalars.
    pub vectors: bool,
}

impl CooperativeTiling {
    /// Returns the rows and columns of a workgroup's block.
    pub fn block(self) -> [usize; 2] {
        [0, 1].map(|axis| self.size * self.grid[axis] * self.tiles[axis])
    }

    /// Returns the threads in a workgroup.
    pub fn threads(self) -> usize {
        self.grid[0] * self.grid[1] * self.subgroup
    }

    /// Returns the most workgroup memory that any orientation uses, in bytes.
    pub fn workgroup_bytes(self) -> usize {
        let Self { size, grid, .. } = self;
        // For every layout of the operands.
        let staged = [[true, false], [false, false], [true, true]]
            .map(|along| self.slices(along).iter().map(Slice::bytes).sum::<usize>());
        let finished = 4 * grid[0] * grid[1] * 2 * size * size;
        staged.into_iter().max().unwrap_or(0) + finished
    }

    /// Returns whether the work divides evenly among the threads of a workgroup: staging a slice,
    /// in pieces of 4 × 4 values if it is transposed, and summing four of its columns.
    pub fn is_even(self) -> bool {
        let (threads, [rows, columns]) = (self.threads(), self.block());
        let piece = if self.turned { 16 } else { 4 };
        [rows, columns]
            .iter()
            .all(|lines| (lines * self.depth).is_multiple_of(piece * threads))
            && [rows, columns, self.depth]
                .iter()
                .all(|line| threads.is_multiple_of(line / 4))
            && 2 * self.subgroup <= self.size * self.size
    }

    /// Returns the slices of both operands; each flag says whether the depth is contiguous in
    /// memory.
    fn slices(self, [left, right]: [bool; 2]) -> [Slice; 2] {
        let ([rows, columns], depth, turned) = (self.block(), self.depth, self.turned);
        [
            Slice {
                side: "left",
                unrolled: '~',
                array: "a",
                extent: "m",
                block: rows,
                depth,
                lies_along: left,
                turned,
            },
            Slice {
                side: "right",
                unrolled: '?',
                array: "b",
                extent: "n",
                block: columns,
                depth,
                lies_along: right,
                turned,
            },
        ]
    }

    /// Fills the tiling into `template`, which is complete otherwise, for the given numbers of left
    /// and right operands; each flag says whether that operand's depth is contiguous in memory.
    pub(super) fn text(
        self,
        template: SourceTemplate,
        [lefts, rights]: [usize; 2],
        lies_along: [bool; 2],
    ) -> String {
        let Self {
            size,
            grid,
            tiles,
            depth,
            ahead,
            vectors,
            ..
        } = self;
        let threads = self.threads();
        let [left, right] = self.slices(lies_along);
        // Which array a workgroup reads is uniform over its threads and over a slice. Branching
        // once, rather than for each piece, keeps all loads of a slice in flight together.
        let fetch = (0..rights).map(|operand| {
            let left_operand = operand.min(lefts - 1);
            SourceTemplate::new(include_str!("../../../shaders/matmul_fetch.wgsl"))
                .register("operand", operand.to_string())
                .register("left", left.piece(left_operand, false))
                .register("right", right.piece(operand, false))
                .register("last_left", left.piece(left_operand, true))
                .register("last_right", right.piece(operand, true))
                .complete()
        });
        // Rows of the left operand are staged as lines; columns of the right operand run across
        // lines.
        let load = |row_major: bool| if row_major { "coopLoadT" } else { "coopLoad" };
        let text = template
            .register("fetch", fetch.collect::<String>())
            .register("size", size.to_string())
            .register("grid_rows", grid[0].to_string())
            .register("grid_columns", grid[1].to_string())
            .register("tile_rows", tiles[0].to_string())
            .register("tile_columns", tiles[1].to_string())
            .register("depth", depth.to_string())
            .register("threads", threads.to_string())
            .register("ahead", ahead.to_string())
            .register("quad", if vectors { "1" } else { "4" })
            .register("load_left", load(left.along()))
            .register("load_right", load(!right.along()))
            .complete();
        let pieces = [&left, &right].map(|slice| slice.pieces(threads));
        let finished = shared_array("finished", "f32", "PARTS * 2u * SIZE * SIZE / 4u", vectors);
        let text = unroll(&text, [tiles[0], tiles[1], pieces[0], pieces[1]]);
        text + &left.text(vectors) + &right.text(vectors) + &finished
    }
}

impl fmt::Display for CooperativeTiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, columns] = self.block();
        let Self {
            size,
            grid,
            depth,
            subgroup,
            ahead,
            turned,
            ..
        } = self;
        let ahead = if *ahead { ", one ahead" } else { "" };
        let turned = if *turned { ", turned" } else { "" };
        let subgroups = grid[0] * grid[1];
        write!(
            f,
            "matrix units {size}x{size}, {subgroups} subgroups of {subgroup} on blocks of \
             {rows}x{columns}x{depth}{ahead}{turned}"
        )
    }
}

/// One operand's slice in workgroup memory.
struct Slice {
    side: &'static str,
    /// Unroll sign that numbers its pieces in the shader; below, the names of its array and extent
    /// there.
    unrolled: char,
    array: &'static str,
    extent: &'static str,
    /// Rows or columns of the workgroup's block.
    block: usize,
    depth: usize,
    /// Whether the depth is contiguous in memory.
    lies_along: bool,
    /// Whether it is staged along the depth whatever its memory layout.
    turned: bool,
}

impl Slice {
    fn is_turned(&self) -> bool {
        self.turned && !self.lies_along
    }

    /// Returns whether staged lines run along the depth.
    fn along(&self) -> bool {
        self.turned || self.lies_along
    }

    /// Returns the values per staged line.
    fn line(&self) -> usize {
        if self.along() { self.depth } else { self.block }
    }

    /// Returns how many pieces each of this many threads stages.
    fn pieces(&self, threads: usize) -> usize {
        let piece = if self.is_turned() { 16 } else { 4 };
        self.block * self.depth / (piece * threads)
    }

    fn text(&self, vectors: bool) -> String {
        let text = match self.is_turned() {
            true => include_str!("../../../shaders/matmul_turned_slice.wgsl"),
            false => include_str!("../../../shaders/matmul_slice.wgsl"),
        };
        let lines = self.block * self.depth / self.line();
        let quads = format!("{lines}u * ({}u / 4u + SPACE)", self.line());
        let text = SourceTemplate::new(text)
            .register("side", self.side)
            .register("along", self.along().to_string())
            .register("line", self.line().to_string())
            .register("extent", self.extent)
            .register("array", self.array)
            .complete();
        text + &shared_array(self.side, "f16", &quads, vectors)
    }

    /// Returns the expression that loads a thread's piece from array `number` of the operand. At
    /// the end of the depth, where a piece may lie beyond the array, it loads the array's last quad
    /// instead.
    fn piece(&self, number: usize, at_end: bool) -> String {
        let Self {
            side,
            array,
            extent,
            unrolled,
            ..
        } = self;
        let quad = |row: usize| {
            let place = format!("{side}_line{unrolled} + at_{side}");
            let place = match row {
                0 => place,
                _ => format!("{place} + {row}u * (params.{extent} / 4u)"),
            };
            match at_end {
                true => {
                    format!("{array}{number}[min({place}, params.k * params.{extent} / 4u - 1u)]")
                }
                false => format!("{array}{number}[{place}]"),
            }
        };
        match self.is_turned() {
            true => format!("piece_{side}({})", [0, 1, 2, 3].map(quad).join(", ")),
            false => quad(0),
        }
    }

    /// Returns the bytes of workgroup memory.
    fn bytes(&self) -> usize {
        2 * self.block * self.depth / self.line() * (self.line() + 4 * SPACE)
    }
}

/// Padding between staged lines in quads; matches the WGSL.
const SPACE: usize = 2;
