// Shared by the one-thread-per-row attention shaders. A workgroup takes the rows of one tile, one
// row per thread, and loops over the sequence's other rows, staging them block by block in
// workgroup memory. Rows are [tokens, hidden] as vec4, with head h in quarters h·QUARTERS ..
// (h+1)·QUARTERS. A line containing a # is repeated for each quarter of a head, so that a row stays
// in registers.

// Four values of a row as stored; arithmetic is f32.
alias Quad = vec4<{{ element }}>;

const QUARTERS = {{ quarters }}u;
// Rows in a block: two blocks of vec4 fill 16 KiB.
const BLOCK = {{ block }}u;
const THREADS = 64u;
const MASKED = {{ masked }};

var<workgroup> block_a: array<vec4<f32>, {{ block_quarters }}>;
var<workgroup> block_b: array<vec4<f32>, {{ block_quarters }}>;

// Dropout factor of the probability of `key` given `query`, both positions in their sequence.
fn factor(place: u32, head: u32, query: u32, key: u32) -> f32 {
    if !MASKED {
        return 1.0;
    }
    let row = (place << 16u) | (query & 0xffffu);
    let column = (head << 16u) | (key & 0xffffu);
    return mask_factor(params.mask, row, column);
}
