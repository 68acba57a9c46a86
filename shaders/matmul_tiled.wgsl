// c = a · b and its epilogue without cooperative matrices. A workgroup of 16 × 16 threads computes
// a block of c, looping over the depth in slices staged in workgroup memory; a thread accumulates
// QUARTERS × QUARTERS tiles of 4 × 4. A line containing a # is repeated for each quarter of the
// rows, $ for each quarter of the columns.

const QUARTERS = {{ quarters }}u;
// Rows and columns of a block, the same in vec4, and the depth of a slice: a thread stages one vec4
// of each operand.
const BLOCK = 64u * QUARTERS;
const QUADS = BLOCK / 4u;
const DEPTH = 16u / QUARTERS;

// [depth, rows] and [depth, columns]
var<workgroup> left: array<vec4<f32>, 256>;
var<workgroup> right: array<vec4<f32>, 256>;

fn a_at(number: u32, shape: vec3<u32>, row: u32, depth: u32) -> f32 {
    if row >= shape.x || depth >= shape.z {
        return 0.0;
    }
    let at = select(row * shape.z + depth, depth * shape.x + row, LEFT_TRANSPOSED);
    return f32(get_a(number, at));
}

fn b_at(number: u32, shape: vec3<u32>, depth: u32, column: u32) -> f32 {
    if column >= shape.y || depth >= shape.z {
        return 0.0;
    }
    let at = select(depth * shape.y + column, column * shape.z + depth, RIGHT_TRANSPOSED);
    return f32(get_b(number, at));
}

@compute @workgroup_size(16, 16, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) thread: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let shape = vec3<u32>(params.m, params.n, params.k);
    let first_row = group.y * BLOCK;
    let block = own_block(group.x, BLOCK);
    let number = block.x;
    let first_column = block.y;
    // Neighbouring threads stage neighbouring quads.
    let a_depth = select(index % DEPTH, index / QUADS, LEFT_TRANSPOSED);
    let a_quad = select(index / DEPTH, index % QUADS, LEFT_TRANSPOSED);
    let b_depth = select(index / QUADS, index % DEPTH, RIGHT_TRANSPOSED);
    let b_quad = select(index % QUADS, index / DEPTH, RIGHT_TRANSPOSED);
    let row = first_row + 4u * a_quad;
    let column = first_column + 4u * b_quad;
    // Rows x to w of the tile at quarters # and $.
    var sum#$x = vec4<f32>(0.0);
    var sum#$y = vec4<f32>(0.0);
    var sum#$z = vec4<f32>(0.0);
    var sum#$w = vec4<f32>(0.0);
    var columns = vec4<f32>(0.0);
    for (var first = 0u; first < SUMMANDS * whole_depth(DEPTH); first += DEPTH) {
        let slice = own_slice(first, DEPTH);
        let at_a = slice.y + a_depth;
        let at_b = slice.y + b_depth;
        left[a_depth * QUADS + a_quad] = vec4<f32>(
            a_at(slice.x, shape, row, at_a),
            a_at(slice.x, shape, row + 1u, at_a),
            a_at(slice.x, shape, row + 2u, at_a),
            a_at(slice.x, shape, row + 3u, at_a),
        );
        right[b_depth * QUADS + b_quad] = vec4<f32>(
            b_at(number + slice.x, shape, at_b, column),
            b_at(number + slice.x, shape, at_b, column + 1u),
            b_at(number + slice.x, shape, at_b, column + 2u),
            b_at(number + slice.x, shape, at_b, column + 3u),
        );
        workgroupBarrier();
        if COLUMN_SUMS && group.y == 0u && index < QUADS {
            for (var d = 0u; d < DEPTH; d++) {
                columns += right[d * QUADS + index];
            }
        }
        for (var d = 0u; d < DEPTH; d++) {
            let a# = left[d * QUADS + #u * 16u + thread.y];
            let b$ = right[d * QUADS + $u * 16u + thread.x];
            sum#$x += a#.x * b$;
            sum#$y += a#.y * b$;
            sum#$z += a#.z * b$;
            sum#$w += a#.w * b$;
        }
        workgroupBarrier();
    }
    let own_column = first_column + 4u * index;
    if COLUMN_SUMS && group.y == 0u && index < QUADS && own_column < shape.y {
        set_column_sums(number, own_column, columns.x);
        set_column_sums(number, own_column + 1u, columns.y);
        set_column_sums(number, own_column + 2u, columns.z);
        set_column_sums(number, own_column + 3u, columns.w);
    }
    let row# = first_row + (#u * 16u + thread.y) * 4u;
    let column$ = first_column + ($u * 16u + thread.x) * 4u;
    store(number, row#, column$, sum#$x);
    store(number, row# + 1u, column$, sum#$y);
    store(number, row# + 2u, column$, sum#$z);
    store(number, row# + 3u, column$, sum#$w);
}
