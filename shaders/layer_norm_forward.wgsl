// y = (x − mean) / √(variance + ε) · γ + β for each row; `moments` receives each row's mean and 1 /
// √(variance + ε).

@group(0) @binding(0) var<storage, read_write> x: array<Quad>;
@group(0) @binding(1) var<storage, read_write> gamma: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> beta: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Quad>;
@group(0) @binding(4) var<storage, read_write> moments: array<vec2<f32>>;

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
    let columns = f32(params.columns);
    let quads = params.columns / 4u;
    let first = row * quads;
    var part = 0.0;
    for (var quad = thread; quad < quads; quad += THREADS) {
        part += sum_of(vec4<f32>(x[first + quad]));
    }
    let mean = total(thread, vec2<f32>(part, 0.0)).x / columns;
    part = 0.0;
    for (var quad = thread; quad < quads; quad += THREADS) {
        let distance = vec4<f32>(x[first + quad]) - mean;
        part += dot(distance, distance);
    }
    let variance = total(thread, vec2<f32>(part, 0.0)).x / columns;
    let inverse = 1.0 / sqrt(variance + params.epsilon);
    for (var quad = thread; quad < quads; quad += THREADS) {
        let value = (vec4<f32>(x[first + quad]) - mean) * inverse;
        y[first + quad] = Quad(value * gamma[quad] + beta[quad]);
    }
    if thread == 0u {
        moments[row] = vec2<f32>(mean, inverse);
    }
}
