//! How matmuls are computed with cooperative matrices: the tiling, how operands are staged, and the text
//! that follows from both (`shaders/matmul_cooperative.wgsl`).

use std::fmt;

use burn::backend::wgpu::SourceTemplate;
use serde::{Deserialize, Serialize};

use crate::kernels::wgsl::{shared_array, unroll};

/// Blocks of `grid` subgroups, each of `tiles` matrices of `size × size`; rows, then columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CooperativeTiling {
    pub size: usize,
    pub grid: [usize; 2],
    pub tiles: [usize; 2],
    /// Depth of a slice.
    pub depth: usize,
    /// Threads of a subgroup, as it will most likely run.
    pub subgroup: usize,
    /// Whether the next slice is fetched while one is multiplied.
    pub ahead: bool,
    /// Whether operands whose lines lie across the depth are staged along it: some devices load
    /// one kind of matrices from workgroup memory faster than the other.
    pub turned: bool,
    /// Whether workgroup memory is made of vectors, not of scalars.
    pub vectors: bool,
}

impl CooperativeTiling {
    /// Rows and columns of a workgroup's block.
    pub fn block(self) -> [usize; 2] {
        [0, 1].map(|axis| self.size * self.grid[axis] * self.tiles[axis])
    }

    /// Threads of a workgroup.
    pub fn threads(self) -> usize {
        self.grid[0] * self.grid[1] * self.subgroup
    }

    /// Bytes that a workgroup shares, at most.
    pub fn workgroup_bytes(self) -> usize {
        let Self { size, grid, .. } = self;
        // However the operands lie.
        let staged = [[true, false], [false, false], [true, true]]
            .map(|along| self.slices(along).iter().map(Slice::bytes).sum::<usize>());
        let finished = 4 * grid[0] * grid[1] * 2 * size * size;
        staged.into_iter().max().unwrap_or(0) + finished
    }

    /// Whether the threads of a workgroup share its work evenly: staging a slice, four by four values
    /// where it is turned, and adding up four of its columns.
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

    /// The slices of both operands, by whether the depth runs along a line in memory of each.
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

    /// The text of `template`, which has all but the tiling, for so many left and right operands, and by
    /// whether the depth runs along a line in memory of each.
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
        // Which arrays a workgroup reads is the same for all of its threads and a slice: asked once, not at
        // each piece, so that a slice's loads are under way together.
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
        // Rows of the left operand are lines, columns of the right one lie across lines.
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

/// An operand's slice in workgroup memory.
struct Slice {
    side: &'static str,
    /// What its pieces are numbered by in the shader, and its arrays and parameter there.
    unrolled: char,
    array: &'static str,
    extent: &'static str,
    /// Rows or columns of the workgroup's block.
    block: usize,
    depth: usize,
    /// Whether the depth runs along a line in memory.
    lies_along: bool,
    /// Whether it is staged along the depth however it lies.
    turned: bool,
}

impl Slice {
    fn is_turned(&self) -> bool {
        self.turned && !self.lies_along
    }

    /// Whether the depth runs along a staged line.
    fn along(&self) -> bool {
        self.turned || self.lies_along
    }

    /// Values of a staged line.
    fn line(&self) -> usize {
        if self.along() { self.depth } else { self.block }
    }

    /// Pieces that each of so many threads stages.
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

    /// The piece of a thread in array `number` of the operand. At the end of the depth, where a piece
    /// may lie beyond the array, its last quad instead.
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

    /// Bytes of workgroup memory.
    fn bytes(&self) -> usize {
        2 * self.block * self.depth / self.line() * (self.line() + 4 * SPACE)
    }
}

/// Quads between staged lines, as the shader has it.
const SPACE: usize = 2;
