// Stores a gradient as it is, and with the values dropped that were dropped in the forward pass.

@group(0) @binding(6) var<storage, read_write> dropped_grads: array<Quad>;

// In `info`: rows, columns, site, threshold, bits of the mask's scale, then each row's word.
const HEADER = 5u;

fn put(row: u32, quad: u32, value: vec4<f32>) {
    let at = row * (info[1] / 4u) + quad;
    x_grads[at] = Quad(value);
    let word = info[HEADER + row];
    let column = 4u * quad;
    let factors = vec4<f32>(
        drop(word, column),
        drop(word, column + 1u),
        drop(word, column + 2u),
        drop(word, column + 3u),
    );
    dropped_grads[at] = Quad(value * factors);
}

fn drop(word: u32, column: u32) -> f32 {
    return mask_factor(info[2], info[3], bitcast<f32>(info[4]), word, column);
}
