// Dropout of a packed matrix: y[row, column] = x[row, column] · factor(row, column), [tokens, columns].
// The factor is a function of the place alone, so that the backward pass draws it again.

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
// columns, elements, site, threshold, bits of the scale, then the word of each row.
@group(0) @binding(2) var<storage, read_write> info: array<u32>;

const HEADER = 5u;
const THREADS = 256u;

fn pcg3d(counter: vec3<u32>) -> vec3<u32> {
    var v = counter * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3<u32>(16u);
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    return v;
}

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = id.y * groups.x * THREADS + id.x;
    if place >= info[1] {
        return;
    }
    let columns = info[0];
    let word = info[HEADER + place / columns];
    let drawn = pcg3d(vec3<u32>(place % columns, word, info[2])).x;
    y[place] = select(0.0, x[place] * bitcast<f32>(info[4]), drawn < info[3]);
}
