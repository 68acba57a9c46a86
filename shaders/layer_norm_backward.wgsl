// Gradients of a layer normalisation, given that of its result. A workgroup takes one row; the
// workgroups after the last row each take a range of columns within a slice of rows.
//
// The gradient of a row before normalisation is (g − mean(g) − x̂ · mean(g · x̂)) / √(variance +
// ε), where g = gradient · γ and x̂ is the normalised row. If the row was a sum with a dropped-out
// summand, that summand's gradient is written too.
//
// For γ and β, each slice writes partial sums: of gradient · x̂ and of gradient,
// [2 · slices, columns] with those of γ first.

@group(0) @binding(0) var<storage, read_write> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> moments: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> grads: array<Quad>;
@group(0) @binding(4) var<storage, read_write> x_grads: array<Quad>;
@group(0) @binding(5) var<storage, read_write> shares: array<f32>;
{{ dropped }}
const SLICE = {{ slice }}u;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = group.y * groups.x + group.x;
    if number < params.rows {
        row_gradient(number, thread);
    } else {
        share(number - params.rows, thread);
    }
}

fn row_gradient(row: u32, thread: u32) {
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
        {{ drop }}
    }
}

// One thread per column.
fn share(number: u32, thread: u32) {
    let columns = params.columns;
    let slices = (params.rows + SLICE - 1u) / SLICE;
    let wide = (columns + THREADS - 1u) / THREADS;
    let slice = number / wide;
    let column = number % wide * THREADS + thread;
    if slice >= slices || column >= columns {
        return;
    }
    var gamma_grad = 0.0;
    var beta_grad = 0.0;
    let last = min(params.rows, (slice + 1u) * SLICE);
    for (var row = slice * SLICE; row < last; row++) {
        let moment = moments[row];
        let place = row * columns + column;
        let g = f32(grads[place / 4u][place % 4u]);
        gamma_grad += g * (f32(x[place / 4u][place % 4u]) - moment.x) * moment.y;
        beta_grad += g;
    }
    shares[slice * columns + column] = gamma_grad;
    shares[(slices + slice) * columns + column] = beta_grad;
}
