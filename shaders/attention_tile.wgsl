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

var<workgroup> block_a: array<vec4<f32>, {{ block_quarters }}>;
var<workgroup> block_b: array<vec4<f32>, {{ block_quarters }}>;

// The factor of the probability of `key` for `query`, both positions in their sequence.
fn factor(place: u32, head: u32, query: u32, key: u32) -> f32 {
    if !MASKED {
        return 1.0;
    }
    let row = (place << 16u) | (query & 0xffffu);
    let column = (head << 16u) | (key & 0xffffu);
    return mask_factor(params.mask, row, column);
}
