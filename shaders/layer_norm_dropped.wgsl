
// The mask word of each row, and the gradients of the dropped-out summand.
@group(0) @binding(6) var<storage, read_write> row_words: array<u32>;
@group(0) @binding(7) var<storage, read_write> dropped_grads: array<Quad>;

// Stores the gradient of four columns of a row.
fn drop_quad(row: u32, quad: u32, gradient: vec4<f32>) {
    let word = row_words[row];
    let column = 4u * quad;
    let factors = vec4<f32>(
        mask_factor(params.mask, word, column),
        mask_factor(params.mask, word, column + 1u),
        mask_factor(params.mask, word, column + 2u),
        mask_factor(params.mask, word, column + 3u),
    );
    dropped_grads[row * (params.columns / 4u) + quad] = Quad(gradient * factors);
}
