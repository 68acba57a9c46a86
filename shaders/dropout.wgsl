// Dropout of a packed matrix: y[row, column] = x[row, column] · factor(row, column), [tokens, columns].

alias Element = {{ element }};

@group(0) @binding(1) var<storage, read_write> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;
// columns, elements, site, threshold, bits of the scale, then the word of each row.
@group(0) @binding(0) var<storage, read_write> info: array<u32>;

const HEADER = 5u;
const THREADS = 256u;

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
    let scale = bitcast<f32>(info[4]);
    let factor = mask_factor(info[2], info[3], scale, word, place % columns);
    y[place] = Element(f32(x[place]) * factor);
}
