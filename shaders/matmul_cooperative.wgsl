// c = a · b and its epilogue with cooperative matrices: f16 operands, f32 sums. A workgroup of
// GRID_ROWS × GRID_COLUMNS subgroups computes a block of c, looping over the depth in slices staged
// in workgroup memory; a subgroup accumulates TILE_ROWS × TILE_COLUMNS tiles of SIZE × SIZE. A line
// containing a # is repeated for each row of tiles, $ for each column of tiles, ~ for each piece of
// the left slice that a thread stages, and ? for each piece of the right slice: fetched values stay
// in registers only if they are never indexed dynamically.

alias Left = coop_mat{{ size }}x{{ size }}<f16, A>;
alias Right = coop_mat{{ size }}x{{ size }}<f16, B>;
alias Sum = coop_mat{{ size }}x{{ size }}<f32, C>;
alias Quad = vec4<f16>;

const SIZE = {{ size }}u;
const DEPTH = {{ depth }}u;
const THREADS = {{ threads }}u;
const GRID_COLUMNS = {{ grid_columns }}u;
const PARTS = {{ grid_rows }}u * GRID_COLUMNS;
// Rows and columns of a subgroup and of the workgroup.
const PART_ROWS = SIZE * {{ tile_rows }}u;
const PART_COLUMNS = SIZE * {{ tile_columns }}u;
const BLOCK_ROWS = PART_ROWS * {{ grid_rows }}u;
const BLOCK_COLUMNS = PART_COLUMNS * GRID_COLUMNS;
// Whether the next slice is prefetched while the current one is multiplied.
const AHEAD = {{ ahead }};

// Array elements per quad in workgroup memory.
const QUAD = {{ quad }}u;
// Padding between staged lines in quads, so that they do not all begin in the same bank.
const SPACE = 2u;

// Threads that sum the same four columns of b.
const SUMMING = THREADS / (BLOCK_COLUMNS / 4u);

@compute @workgroup_size({{ threads }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) lanes: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let n = params.n;
    let depth = SUMMANDS * whole_depth(DEPTH);
    let first_row = group.y * BLOCK_ROWS;
    let block = own_block(group.x, BLOCK_COLUMNS);
    let number = block.x;
    let first_column = block.y;
    let left_line~ = line_left(first_row, thread, ~u);
    let right_line? = line_right(first_column, thread, ?u);
    // If subgroups are larger than expected, there are fewer of them than parts in the workgroup,
    // and they process the parts in rounds. If they are smaller, there are more of them than parts:
    // what a part's second subgroup computes is not stored.
    let rounds = (PARTS + subgroups - 1u) / subgroups;
    for (var round = 0u; round < rounds; round++) {
        let part = (round * subgroups + subgroup) % PARTS;
        let storing = round * subgroups + subgroup < PARTS;
        // A loop bound instead of a condition, because naga treats a condition on the subgroup's
        // number as divergent control flow.
        let present = select(0u, 1u, storing);
        let part_row = part / GRID_COLUMNS * PART_ROWS;
        let part_column = part % GRID_COLUMNS * PART_COLUMNS;
        let summing = COLUMN_SUMS && group.y == 0u && round == 0u;
        var columns = vec4<f32>(0.0);
        var sum#$ = Sum();
        var next_left~ = piece_left();
        var next_right? = piece_right();
        if AHEAD {
            let slice = own_slice(0u, DEPTH);
{{ fetch }}
        }
        for (var first = 0u; first < depth; first += DEPTH) {
            if !AHEAD {
                let slice = own_slice(first, DEPTH);
{{ fetch }}
                // Fetch while others still multiply; wait for all of them before overwriting the
                // slice.
                workgroupBarrier();
            }
            stage_left(thread, ~u, next_left~);
            stage_right(thread, ?u, next_right?);
            workgroupBarrier();
            if AHEAD && first + DEPTH < depth {
                let slice = own_slice(first + DEPTH, DEPTH);
{{ fetch }}
            }
            if summing {
                let quad = thread / SUMMING;
                if ALONG_right {
                    for (var d = thread % SUMMING; d < DEPTH / 4u; d += SUMMING) {
                        let at = quad * 4u * STRIDE_right + d;
                        columns.x += dot(vec4<f32>(right_at(at)), vec4<f32>(1.0));
                        columns.y += dot(vec4<f32>(right_at(at + STRIDE_right)), vec4<f32>(1.0));
                        columns.z += dot(vec4<f32>(right_at(at + 2u * STRIDE_right)), vec4<f32>(1.0));
                        columns.w += dot(vec4<f32>(right_at(at + 3u * STRIDE_right)), vec4<f32>(1.0));
                    }
                } else {
                    for (var d = thread % SUMMING; d < DEPTH; d += SUMMING) {
                        columns += vec4<f32>(right_at(d * STRIDE_right + quad));
                    }
                }
            }
            for (var d = 0u; d < DEPTH; d += SIZE) {
                let row# = part_row + #u * SIZE;
                let column$ = part_column + $u * SIZE;
                let at_a# = select(d * STRIDE_left + row# / 4u, row# * STRIDE_left + d / 4u, ALONG_left);
                let at_b$ = select(d * STRIDE_right + column$ / 4u, column$ * STRIDE_right + d / 4u, ALONG_right);
                let a# = {{ load_left }}<Left>(&left[at_a# * QUAD], STRIDE_left * QUAD);
                let b$ = {{ load_right }}<Right>(&right[at_b$ * QUAD], STRIDE_right * QUAD);
                sum#$ = coopMultiplyAdd(a#, b$, sum#$);
            }
            if AHEAD {
                workgroupBarrier();
            }
        }
        workgroupBarrier();
        if COLUMN_SUMS {
            put_finished(thread, columns);
            workgroupBarrier();
            let quad = thread / SUMMING;
            let column = first_column + 4u * quad;
            if summing && thread % SUMMING == 0u && column < n {
                for (var other = 1u; other < SUMMING; other++) {
                    columns += finished_at(thread + other);
                }
                set_column_sums(number, column, columns.x);
                set_column_sums(number, column + 1u, columns.y);
                set_column_sums(number, column + 2u, columns.z);
                set_column_sums(number, column + 3u, columns.w);
            }
            workgroupBarrier();
        }
        let own = part * 2u * SIZE * SIZE / 4u;
        let row = first_row + part_row;
        let column = first_column + part_column;
        let to$ = (own + $u % 2u * SIZE / 4u) * QUAD;
        // repeat
        for (var once = 0u; once < present; once++) {
            coopStoreT(sum#$, &finished[to$], 2u * SIZE / 4u * QUAD);
        }
        if $u % 2u == 1u {
            workgroupBarrier();
            if storing {
                put(number, own, row + #u * SIZE, column + ($u - 1u) * SIZE, lane, lanes);
            }
            workgroupBarrier();
        }
        // end
    }
}

// Stores two finished tiles of c of a subgroup.
fn put(number: u32, own: u32, first_row: u32, first_column: u32, lane: u32, lanes: u32) {
    for (var t = lane; t < 2u * SIZE * SIZE / 4u; t += lanes) {
        let quads = 2u * SIZE / 4u;
        store(number, first_row + t / quads, first_column + t % quads * 4u, finished_at(own + t));
    }
}
