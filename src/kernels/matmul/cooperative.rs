//! The text of the matmul shader with cooperative matrices (`shaders/matmul_cooperative.wgsl`) and how its
//! operands are staged.

use burn::backend::wgpu::SourceTemplate;

use super::config::{Matmul, MatmulTiling, Orientation};
use crate::kernels::wgsl::{shared_array, unroll};

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

/// The slices of both operands; `None` without cooperative matrices.
fn slices(tiling: MatmulTiling, orientation: Orientation) -> Option<[Slice; 2]> {
    let MatmulTiling::Cooperative { depth, turned, .. } = tiling else {
        return None;
    };
    let [rows, columns] = tiling.block();
    Some([
        Slice {
            side: "left",
            unrolled: '~',
            array: "a",
            extent: "m",
            block: rows,
            depth,
            lies_along: orientation != Orientation::LeftTransposed,
            turned,
        },
        Slice {
            side: "right",
            unrolled: '?',
            array: "b",
            extent: "n",
            block: columns,
            depth,
            lies_along: orientation == Orientation::RightTransposed,
            turned,
        },
    ])
}

/// Bytes that a workgroup shares for its operands' slices, at most.
pub(super) fn staged_bytes(tiling: MatmulTiling) -> usize {
    let bytes = |orientation| {
        let slices = slices(tiling, orientation).into_iter().flatten();
        slices.map(|slice| slice.bytes()).sum()
    };
    Orientation::ALL.map(bytes).into_iter().max().unwrap_or(0)
}

/// The text of `template`, which has all but the tiling.
pub(super) fn text(template: SourceTemplate, matmul: Matmul, tiling: MatmulTiling) -> String {
    let MatmulTiling::Cooperative {
        size,
        grid,
        tiles,
        depth,
        ahead,
        vectors,
        ..
    } = tiling
    else {
        return String::new();
    };
    let threads = tiling.threads()[0] as usize;
    let slices = slices(tiling, matmul.orientation);
    let [left, right] = slices.expect("a cooperative tiling");
    // Which arrays a workgroup reads is the same for all of its threads and a slice: asked once, not at
    // each piece, so that a slice's loads are under way together.
    let [lefts, rights, _] = matmul.products.counts();
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
