// c = a · b and what follows it on matrix units: f16 operands, f32 sums. A workgroup of four subgroups
// takes a block of c, goes through the depth in slices that it stages in workgroup memory, and a
// subgroup sums TILES × TILES tiles of SIZE × SIZE. A line with a # is written once for each tile of
// rows, one with a $ once for each tile of columns.

alias Left = coop_mat{{ size }}x{{ size }}<f16, A>;
alias Right = coop_mat{{ size }}x{{ size }}<f16, B>;
alias Sum = coop_mat{{ size }}x{{ size }}<f32, C>;

const SIZE = {{ size }}u;
const DEPTH = {{ depth }}u;
const THREADS = {{ threads }}u;
// Rows and columns of a subgroup and of the workgroup.
const SIDE = SIZE * {{ tiles }}u;
const BLOCK = 2u * SIDE;
// Lines and columns of a slice as the operands lie. The lines of the staged copies are apart by some
// columns more, so that they do not all begin in the same bank.
const LEFT_LINES = select(BLOCK, DEPTH, LEFT_TRANSPOSED);
const LEFT_COLUMNS = select(DEPTH, BLOCK, LEFT_TRANSPOSED);
const LEFT_STRIDE = LEFT_COLUMNS + 8u;
const RIGHT_LINES = select(DEPTH, BLOCK, RIGHT_TRANSPOSED);
const RIGHT_COLUMNS = select(BLOCK, DEPTH, RIGHT_TRANSPOSED);
const RIGHT_STRIDE = RIGHT_COLUMNS + 8u;

@group(0) @binding(1) var<storage, read_write> a: array<vec4<Operand>>;
@group(0) @binding(2) var<storage, read_write> b: array<vec4<Operand>>;

var<workgroup> left: array<f16, {{ left }}>;
var<workgroup> right: array<f16, {{ right }}>;
// The sums of the block's columns of b, then a finished tile of each subgroup.
var<workgroup> finished: array<f32, 4u * SIZE * SIZE>;

@compute @workgroup_size({{ threads }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) lanes: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let m = info[0];
    let n = info[1];
    let k = info[2];
    let first_row = group.y * BLOCK;
    let first_column = group.x * BLOCK;
    let a_size = select(vec2<u32>(m, k), vec2<u32>(k, m), LEFT_TRANSPOSED);
    let b_size = select(vec2<u32>(k, n), vec2<u32>(n, k), RIGHT_TRANSPOSED);
    // Where subgroups are larger than the smallest that the device has, fewer run than a workgroup
    // has parts: they take the parts in rounds.
    let rounds = (4u + subgroups - 1u) / subgroups;
    for (var round = 0u; round < rounds; round++) {
        let part = round * subgroups + subgroup;
        let part_row = (part / 2u) * SIDE;
        let part_column = (part % 2u) * SIDE;
        var sum#$ = Sum();
        let summing = COLUMN_SUMS && group.y == 0u && round == 0u;
        if summing {
            for (var column = index; column < BLOCK; column += THREADS) {
                finished[column] = 0.0;
            }
        }
        for (var first = 0u; first < k; first += DEPTH) {
            let a_from = select(vec2<u32>(first_row, first), vec2<u32>(first, first_row), LEFT_TRANSPOSED);
            for (var t = index; t < LEFT_LINES * LEFT_COLUMNS / 4u; t += THREADS) {
                let line = t / (LEFT_COLUMNS / 4u);
                let column = 4u * (t % (LEFT_COLUMNS / 4u));
                let at = a_from + vec2<u32>(line, column);
                var values = vec4<f16>(0.0h);
                if at.x < a_size.x && at.y < a_size.y {
                    values = a[(at.x * a_size.y + at.y) / 4u];
                }
                let to = line * LEFT_STRIDE + column;
                left[to] = values.x;
                left[to + 1u] = values.y;
                left[to + 2u] = values.z;
                left[to + 3u] = values.w;
            }
            let b_from = select(vec2<u32>(first, first_column), vec2<u32>(first_column, first), RIGHT_TRANSPOSED);
            for (var t = index; t < RIGHT_LINES * RIGHT_COLUMNS / 4u; t += THREADS) {
                let line = t / (RIGHT_COLUMNS / 4u);
                let column = 4u * (t % (RIGHT_COLUMNS / 4u));
                let at = b_from + vec2<u32>(line, column);
                var values = vec4<f16>(0.0h);
                if at.x < b_size.x && at.y < b_size.y {
                    values = b[(at.x * b_size.y + at.y) / 4u];
                }
                let to = line * RIGHT_STRIDE + column;
                right[to] = values.x;
                right[to + 1u] = values.y;
                right[to + 2u] = values.z;
                right[to + 3u] = values.w;
            }
            workgroupBarrier();
            if summing {
                for (var column = index; column < BLOCK; column += THREADS) {
                    var sum = 0.0;
                    for (var d = 0u; d < DEPTH; d++) {
                        sum += f32(right[d * RIGHT_STRIDE + column]);
                    }
                    finished[column] += sum;
                }
            }
            for (var d = 0u; d < DEPTH; d += SIZE) {
                let at_a# = select((part_row + #u * SIZE) * LEFT_STRIDE + d, d * LEFT_STRIDE + part_row + #u * SIZE, LEFT_TRANSPOSED);
                let at_b$ = select(d * RIGHT_STRIDE + part_column + $u * SIZE, (part_column + $u * SIZE) * RIGHT_STRIDE + d, RIGHT_TRANSPOSED);
                let a# = {{ load_left }}<Left>(&left[at_a#], LEFT_STRIDE);
                let b$ = {{ load_right }}<Right>(&right[at_b$], RIGHT_STRIDE);
                sum#$ = coopMultiplyAdd(a#, b$, sum#$);
            }
            workgroupBarrier();
        }
        if summing {
            for (var column = index; column < BLOCK && first_column + column < n; column += THREADS) {
                column_sums[first_column + column] = finished[column];
            }
        }
        workgroupBarrier();
        let own = subgroup * SIZE * SIZE;
        let row = first_row + part_row;
        let column = first_column + part_column;
        coopStoreT(sum#$, &finished[own], SIZE); workgroupBarrier(); put(own, row + #u * SIZE, column + $u * SIZE, lane, lanes); workgroupBarrier();
    }
}

fn put(own: u32, first_row: u32, first_column: u32, lane: u32, lanes: u32) {
    for (var t = 4u * lane; t < SIZE * SIZE; t += 4u * lanes) {
        let at = own + t;
        let sum = vec4<f32>(finished[at], finished[at + 1u], finished[at + 2u], finished[at + 3u]);
        store(first_row + t / SIZE, first_column + t % SIZE, sum);
    }
}
