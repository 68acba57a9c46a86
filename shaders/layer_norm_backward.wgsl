// Gradient of the rows before a normalisation, given that of its result:
// (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + ε) with g = gradient · γ and x̂ the normalised row.
// Where the row was a sum with a part that values were dropped from, that part's gradient too.

// Each row's word in masks.
@group(0) @binding(0) var<storage, read_write> row_words: array<u32>;
@group(0) @binding(1) var<storage, read_write> x: array<Quad>;
@group(0) @binding(2) var<storage, read_write> moments: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> gamma: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> grads: array<Quad>;
@group(0) @binding(5) var<storage, read_write> x_grads: array<Quad>;
@group(0) @binding(6) var<storage, read_write> dropped_grads: array<Quad>;

const MASKED = {{ masked }};

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let quads = params.columns / 4u;
    let first = row * quads;
    let moment = moments[row];
    var part = vec2<f32>(0.0);
    for (var quad = thread; quad < quads; quad += THREADS) {
        let normal = (vec4<f32>(x[first + quad]) - moment.x) * moment.y;
        let g = vec4<f32>(grads[first + quad]) * gamma[quad];
        part += vec2<f32>(sum_of(g), dot(g, normal));
    }
    let mean = total(thread, part) / f32(params.columns);
    for (var quad = thread; quad < quads; quad += THREADS) {
        let normal = (vec4<f32>(x[first + quad]) - moment.x) * moment.y;
        let g = vec4<f32>(grads[first + quad]) * gamma[quad];
        let gradient = (g - mean.x - normal * mean.y) * moment.y;
        x_grads[first + quad] = Quad(gradient);
        if MASKED {
            let word = row_words[row];
            let column = 4u * quad;
            let factors = vec4<f32>(
                mask_factor(params.mask, word, column),
                mask_factor(params.mask, word, column + 1u),
                mask_factor(params.mask, word, column + 2u),
                mask_factor(params.mask, word, column + 3u),
            );
            dropped_grads[first + quad] = Quad(gradient * factors);
        }
    }
}
