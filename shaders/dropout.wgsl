// Dropout of a packed matrix [tokens, columns]: y[row, column] = x[row, column] · factor(row,
// column).

alias Element = {{ element }};

// Mask word of each row.
@group(0) @binding(0) var<storage, read_write> row_words: array<u32>;
@group(0) @binding(1) var<storage, read_write> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;

const THREADS = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = id.y * groups.x * THREADS + id.x;
    if place >= params.elements {
        return;
    }
    let word = row_words[place / params.columns];
    let factor = mask_factor(params.mask, word, place % params.columns);
    y[place] = Element(f32(x[place]) * factor);
}
