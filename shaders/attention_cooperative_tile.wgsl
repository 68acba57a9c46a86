// What the attention shaders with cooperative matrices share. A workgroup takes a tile of one head's rows, four
// parts of SIZE rows that never cross sequences, and goes over the sequence's other rows block by
// block through workgroup memory; a subgroup keeps the rows of its part in matrices. A matrix shows
// its values only in memory: products go to `scores`, a lane works on one row's there, and what it
// makes of them comes back from `weights` as a factor. Rows are [tokens, hidden] as vec4, head h in
// quarters h·QUARTERS .. (h+1)·QUARTERS. A line with a # is written once for each SIZE columns of a
// head.

alias Left = coop_mat{{ size }}x{{ size }}<f16, A>;
alias Right = coop_mat{{ size }}x{{ size }}<f16, B>;
alias Sum = coop_mat{{ size }}x{{ size }}<f32, C>;

const SIZE = {{ size }}u;
const PARTS = 4u;
const HEAD = {{ head }}u;
const QUARTERS = HEAD / 4u;
// Rows staged at a time, and those of them whose scores are in workgroup memory at a time.
const BLOCK = {{ block }}u;
const SPAN = {{ span }}u;
const THREADS = {{ threads }}u;
const MASKED = {{ masked }};

// Workgroup memory is counted in quads, which have so many elements there.
const QUAD = {{ quad }}u;

// Quads from line to line: some more than a line holds, so that lines do not all begin in the same bank;
// cooperative matrices want multiples of 16 bytes.
const ROW_STRIDE = QUARTERS + 2u;
const SCORE_STRIDE = SPAN / 4u + 1u;
const WEIGHT_STRIDE = SPAN / 4u + 2u;

// Exponentials are powers of two: scores are scaled once.
const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;

fn stage(line: u32, quarter: u32, values: vec4<f16>) {
    put_staged(line * ROW_STRIDE + quarter, values);
}

// The rows from `first` on.
fn four(first: u32) -> vec4<u32> {
    return first + vec4<u32>(0u, 1u, 2u, 3u);
}

// The factors of the probabilities of `keys` for `queries`, positions in their sequence.
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
