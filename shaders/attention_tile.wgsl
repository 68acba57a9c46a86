// What the attention shaders share: a workgroup takes the rows of one tile, a thread a row, and goes
// over its sequence's other rows block by block through workgroup memory. Rows are [tokens, hidden]
// as vec4, head h in quarters h·QUARTERS .. (h+1)·QUARTERS. A line with a # is written once for each
// quarter of a head, so that a row stays in registers.

// Four values of a row as they are stored; arithmetic is f32.
alias Quad = vec4<{{ element }}>;

const QUARTERS = {{ quarters }}u;
// Rows of a block: two blocks of vec4 fill 16 KiB.
const BLOCK = {{ block }}u;
const THREADS = 64u;
const MASKED = {{ masked }};

// tokens, quarters of a row, site, threshold, bits of the mask's scale, bits of 1/√size, 0, 0; then
// four words for each tile: its first row, first row and end of its sequence, place in the batch.
@group(0) @binding(0) var<storage, read_write> info: array<u32>;

struct Tile {
    first: u32,
    begin: u32,
    end: u32,
    place: u32,
}

var<workgroup> tile_of_group: Tile;
var<workgroup> block_a: array<vec4<f32>, {{ block_quarters }}>;
var<workgroup> block_b: array<vec4<f32>, {{ block_quarters }}>;

// The tile of this workgroup, the same for all its threads.
fn read_tile(number: u32, thread: u32) -> Tile {
    if thread == 0u {
        let at = 8u + 4u * number;
        tile_of_group = Tile(info[at], info[at + 1u], info[at + 2u], info[at + 3u]);
    }
    return workgroupUniformLoad(&tile_of_group);
}

// The factor of the probability of `key` for `query`, both positions in their sequence.
fn factor(place: u32, head: u32, query: u32, key: u32) -> f32 {
    if !MASKED {
        return 1.0;
    }
    let row = (place << 16u) | (query & 0xffffu);
    let column = (head << 16u) | (key & 0xffffu);
    return mask_factor(info[2], info[3], bitcast<f32>(info[4]), row, column);
}
