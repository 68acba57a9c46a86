// sum = x · factor + residual, y = (sum − mean) / √(variance + ε) · γ + β of each row; moments holds
// each row's mean and 1 / √(variance + ε).

@group(0) @binding(1) var<storage, read_write> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> residual: array<Element>;
@group(0) @binding(3) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(4) var<storage, read_write> beta: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<Element>;
@group(0) @binding(6) var<storage, read_write> y: array<Element>;
@group(0) @binding(7) var<storage, read_write> moments: array<vec2<f32>>;

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
    var part = 0.0;
    for (var column = thread; column < columns; column += THREADS) {
        var value = f32(x[first + column]);
        if MASKED {
            value *= mask_factor(info[3], info[4], bitcast<f32>(info[5]), info[HEADER + row], column);
        }
        let sum = Element(value + f32(residual[first + column]));
        sums[first + column] = sum;
        part += f32(sum);
    }
    let mean = total(thread, vec2<f32>(part, 0.0)).x / f32(columns);
    part = 0.0;
    for (var column = thread; column < columns; column += THREADS) {
        let distance = f32(sums[first + column]) - mean;
        part += distance * distance;
    }
    let variance = total(thread, vec2<f32>(part, 0.0)).x / f32(columns);
    let inverse = 1.0 / sqrt(variance + bitcast<f32>(info[2]));
    for (var column = thread; column < columns; column += THREADS) {
        let value = (f32(sums[first + column]) - mean) * inverse;
        y[first + column] = Element(value * gamma[column] + beta[column]);
    }
    if thread == 0u {
        moments[row] = vec2<f32>(mean, inverse);
    }
}
