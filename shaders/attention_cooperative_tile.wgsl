// Shared by the cooperative-matrix attention shaders. A workgroup takes a tile of one head's rows,
// four parts of SIZE rows that never cross a sequence boundary, and loops over the sequence's other
// rows, staging them block by block in workgroup memory; a subgroup keeps the rows of its part in
// matrices. A matrix exposes its values only through memory: products are stored in `scores`, where
// each lane processes one row, and the result is loaded from `weights` as the next factor. Rows are
// [tokens, hidden] as vec4, with head h in quarters h·QUARTERS .. (h+1)·QUARTERS. A line containing
// a # is repeated for each SIZE columns of a head.

alias Left = coop_mat{{ size }}x{{ size }}<f16, A>;
alias Right = coop_mat{{ size }}x{{ size }}<f16, B>;
alias Sum = coop_mat{{ size }}x{{ size }}<f32, C>;

const SIZE = {{ size }}u;
const PARTS = 4u;
const HEAD = {{ head }}u;
const QUARTERS = HEAD / 4u;
// Rows staged at a time, and how many of them have their scores in workgroup memory at a time.
const BLOCK = {{ block }}u;
const SPAN = {{ span }}u;
const THREADS = {{ threads }}u;
const MASKED = {{ masked }};

// Workgroup memory is counted in quads; this is the number of array elements per quad.
const QUAD = {{ quad }}u;

// Quads from line to line, padded so that lines do not all begin in the same bank; cooperative
// matrices require multiples of 16 bytes.
const ROW_STRIDE = QUARTERS + 2u;
const SCORE_STRIDE = SPAN / 4u + 1u;
const WEIGHT_STRIDE = SPAN / 4u + 2u;

// Exponentials are computed as powers of two, so scores are scaled only once.
const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;

fn stage(line: u32, quarter: u32, values: vec4<f16>) {
    put_staged(line * ROW_STRIDE + quarter, values);
}

// Indices of four consecutive rows from `first` on.
fn four(first: u32) -> vec4<u32> {
    return first + vec4<u32>(0u, 1u, 2u, 3u);
}

// Dropout factors of the probabilities of `keys` given `queries`, both positions in their sequence.
fn factors(place: u32, head: u32, queries: vec4<u32>, keys: vec4<u32>) -> vec4<f32> {
    if !MASKED {
        return vec4<f32>(1.0);
    }
    let rows = vec4<u32>(place << 16u) | (queries & vec4<u32>(0xffffu));
    let columns = vec4<u32>(head << 16u) | (keys & vec4<u32>(0xffffu));
    return vec4<f32>(
        mask_factor(params.mask, rows.x, columns.x),
        mask_factor(params.mask, rows.y, columns.y),
        mask_factor(params.mask, rows.z, columns.z),
        mask_factor(params.mask, rows.w, columns.w),
    );
}
