// c = a · b and what follows it with cooperative matrices: f16 operands, f32 sums. A workgroup of GRID_ROWS ×
// GRID_COLUMNS subgroups takes a block of c and goes through the depth in slices that it stages in
// workgroup memory; a subgroup sums TILE_ROWS × TILE_COLUMNS tiles of SIZE × SIZE. A line with a # is
// written once for each row of tiles, one with a $ once for each column of tiles.

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
// Whether the next slice is fetched while this one is multiplied.
const AHEAD = {{ ahead }};

// Quads of a line of a staged slice, and f16 from one line to the next: they do not all begin in the
// same bank.
const QUADS = DEPTH / 4u;
const STRIDE = DEPTH + 8u;
// Quads of a slice that a thread stages.
const LEFT_QUADS = BLOCK_ROWS * QUADS / THREADS;
const RIGHT_QUADS = BLOCK_COLUMNS * QUADS / THREADS;

// [rows, depth] and [columns, depth], however the operands lie.
var<workgroup> left: array<f16, BLOCK_ROWS * STRIDE>;
var<workgroup> right: array<f16, BLOCK_COLUMNS * STRIDE>;
// The sums of the block's columns of b, then two finished tiles of each subgroup, side by side.
var<workgroup> finished: array<f32, PARTS * 2u * SIZE * SIZE>;

fn a_quad(number: u32, line: u32, column: u32) -> Quad {
    let size = select(vec2<u32>(params.m, params.k), vec2<u32>(params.k, params.m), LEFT_TRANSPOSED);
    if line >= size.x || column >= size.y {
        return Quad();
    }
    return get_a(number, (line * size.y + column) / 4u);
}

fn b_quad(number: u32, line: u32, column: u32) -> Quad {
    let size = select(vec2<u32>(params.k, params.n), vec2<u32>(params.n, params.k), RIGHT_TRANSPOSED);
    if line >= size.x || column >= size.y {
        return Quad();
    }
    return get_b(number, (line * size.y + column) / 4u);
}

// Where the values of a thread's quad lie in a slice, (line, depth). Quads that lie along the depth are
// staged as they are. Those across it come in fours, one below the other, and are turned.
fn along(thread: u32, quad: u32) -> vec2<u32> {
    let place = quad * THREADS + thread;
    return vec2<u32>(place / QUADS, place % QUADS * 4u);
}

fn across(thread: u32, quad: u32) -> vec2<u32> {
    let place = quad / 4u * THREADS + thread;
    return vec2<u32>(place / QUADS * 4u, place % QUADS * 4u + quad % 4u);
}

fn put_left(line: u32, depth: u32, quad: Quad) {
    let to = line * STRIDE + depth;
    left[to] = quad.x;
    left[to + 1u] = quad.y;
    left[to + 2u] = quad.z;
    left[to + 3u] = quad.w;
}

fn put_right(line: u32, depth: u32, quad: Quad) {
    let to = line * STRIDE + depth;
    right[to] = quad.x;
    right[to + 1u] = quad.y;
    right[to + 2u] = quad.z;
    right[to + 3u] = quad.w;
}

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
    var next_left: array<Quad, LEFT_QUADS>;
    var next_right: array<Quad, RIGHT_QUADS>;
    // Where subgroups are larger than was reckoned with, fewer run than a workgroup has parts: they
    // take the parts in rounds. Where they are smaller, more run than it has parts: what a part's
    // second subgroup computes is not stored.
    let rounds = (PARTS + subgroups - 1u) / subgroups;
    for (var round = 0u; round < rounds; round++) {
        let part = (round * subgroups + subgroup) % PARTS;
        let storing = round * subgroups + subgroup < PARTS;
        // The bound of a loop, because naga takes a condition on the subgroup's number for one that
        // divides its lanes.
        let present = select(0u, 1u, storing);
        let part_row = part / GRID_COLUMNS * PART_ROWS;
        let part_column = part % GRID_COLUMNS * PART_COLUMNS;
        var sum#$ = Sum();
        let summing = COLUMN_SUMS && group.y == 0u && round == 0u;
        if summing {
            for (var column = thread; column < BLOCK_COLUMNS; column += THREADS) {
                finished[column] = 0.0;
            }
        }
        for (var first = 0u; first < depth; first += DEPTH) {
            if !AHEAD || first == 0u {
                let slice = own_slice(first, DEPTH);
                for (var q = 0u; q < LEFT_QUADS; q++) {
                    next_left[q] = fetch_left(thread, q, first_row, slice);
                }
                for (var q = 0u; q < RIGHT_QUADS; q++) {
                    next_right[q] = fetch_right(number, thread, q, first_column, slice);
                }
            }
            if LEFT_TRANSPOSED {
                for (var q = 0u; q < LEFT_QUADS; q += 4u) {
                    let at = across(thread, q);
                    let t = turned(next_left[q], next_left[q + 1u], next_left[q + 2u], next_left[q + 3u]);
                    put_left(at.x, at.y, t[0]);
                    put_left(at.x + 1u, at.y, t[1]);
                    put_left(at.x + 2u, at.y, t[2]);
                    put_left(at.x + 3u, at.y, t[3]);
                }
            } else {
                for (var q = 0u; q < LEFT_QUADS; q++) {
                    let at = along(thread, q);
                    put_left(at.x, at.y, next_left[q]);
                }
            }
            if RIGHT_TRANSPOSED {
                for (var q = 0u; q < RIGHT_QUADS; q++) {
                    let at = along(thread, q);
                    put_right(at.x, at.y, next_right[q]);
                }
            } else {
                for (var q = 0u; q < RIGHT_QUADS; q += 4u) {
                    let at = across(thread, q);
                    let t = turned(next_right[q], next_right[q + 1u], next_right[q + 2u], next_right[q + 3u]);
                    put_right(at.x, at.y, t[0]);
                    put_right(at.x + 1u, at.y, t[1]);
                    put_right(at.x + 2u, at.y, t[2]);
                    put_right(at.x + 3u, at.y, t[3]);
                }
            }
            workgroupBarrier();
            if AHEAD && first + DEPTH < depth {
                let slice = own_slice(first + DEPTH, DEPTH);
                for (var q = 0u; q < LEFT_QUADS; q++) {
                    next_left[q] = fetch_left(thread, q, first_row, slice);
                }
                for (var q = 0u; q < RIGHT_QUADS; q++) {
                    next_right[q] = fetch_right(number, thread, q, first_column, slice);
                }
            }
            if summing {
                for (var column = thread; column < BLOCK_COLUMNS; column += THREADS) {
                    var sum = 0.0;
                    for (var d = 0u; d < DEPTH; d++) {
                        sum += f32(right[column * STRIDE + d]);
                    }
                    finished[column] += sum;
                }
            }
            for (var d = 0u; d < DEPTH; d += SIZE) {
                let at_a# = (part_row + #u * SIZE) * STRIDE + d;
                let at_b$ = (part_column + $u * SIZE) * STRIDE + d;
                let a# = coopLoadT<Left>(&left[at_a#], STRIDE);
                let b$ = coopLoad<Right>(&right[at_b$], STRIDE);
                sum#$ = coopMultiplyAdd(a#, b$, sum#$);
            }
            workgroupBarrier();
        }
        if summing {
            for (var column = thread; column < BLOCK_COLUMNS && first_column + column < n; column += THREADS) {
                set_column_sums(number, first_column + column, finished[column]);
            }
        }
        workgroupBarrier();
        let own = part * 2u * SIZE * SIZE;
        let row = first_row + part_row;
        let column = first_column + part_column;
        let to$ = own + $u % 2u * SIZE;
        // repeat
        for (var once = 0u; once < present; once++) {
            coopStoreT(sum#$, &finished[to$], 2u * SIZE);
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

// A thread's quad of a slice.
fn fetch_left(thread: u32, quad: u32, first_row: u32, slice: vec2<u32>) -> Quad {
    if LEFT_TRANSPOSED {
        let at = across(thread, quad);
        return a_quad(slice.x, slice.y + at.y, first_row + at.x);
    }
    let at = along(thread, quad);
    return a_quad(slice.x, first_row + at.x, slice.y + at.y);
}

fn fetch_right(number: u32, thread: u32, quad: u32, first_column: u32, slice: vec2<u32>) -> Quad {
    if RIGHT_TRANSPOSED {
        let at = along(thread, quad);
        return b_quad(number + slice.x, first_column + at.x, slice.y + at.y);
    }
    let at = across(thread, quad);
    return b_quad(number + slice.x, slice.y + at.y, first_column + at.x);
}

// Four quads, one below the other, as four columns.
fn turned(x: Quad, y: Quad, z: Quad, w: Quad) -> array<Quad, 4> {
    return array<Quad, 4>(
        Quad(x.x, y.x, z.x, w.x),
        Quad(x.y, y.y, z.y, w.y),
        Quad(x.z, y.z, z.z, w.z),
        Quad(x.w, y.w, z.w, w.w),
    );
}

// Stores two tiles of c that a subgroup finished.
fn put(number: u32, own: u32, first_row: u32, first_column: u32, lane: u32, lanes: u32) {
    for (var t = 4u * lane; t < 2u * SIZE * SIZE; t += 4u * lanes) {
        let at = own + t;
        let sum = vec4<f32>(finished[at], finished[at + 1u], finished[at + 2u], finished[at + 3u]);
        store(number, first_row + t / (2u * SIZE), first_column + t % (2u * SIZE), sum);
    }
}
