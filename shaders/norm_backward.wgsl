// Gradient of the sum before a normalisation, given that of its result:
// (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + ε) with g = gradient · γ and x̂ the normalised sum.

@group(0) @binding(1) var<storage, read_write> sums: array<Element>;
@group(0) @binding(2) var<storage, read_write> moments: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(4) var<storage, read_write> grads: array<Element>;
@group(0) @binding(5) var<storage, read_write> sum_grads: array<Element>;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= info[0] {
        return;
    }
    let columns = info[1];
    let first = row * columns;
    let moment = moments[row];
    var part = vec2<f32>(0.0);
    for (var column = thread; column < columns; column += THREADS) {
        let normal = (f32(sums[first + column]) - moment.x) * moment.y;
        let g = f32(grads[first + column]) * gamma[column];
        part += vec2<f32>(g, g * normal);
    }
    let mean = total(thread, part) / f32(columns);
    for (var column = thread; column < columns; column += THREADS) {
        let normal = (f32(sums[first + column]) - moment.x) * moment.y;
        let g = f32(grads[first + column]) * gamma[column];
        sum_grads[first + column] = Element((g - mean.x - normal * mean.y) * moment.y);
    }
}
