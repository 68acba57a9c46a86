// One step of ELECTRA's Adam on one parameter, in place; all arrays [elements].
// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − rate · (m / (√v + ε) + decay · w)

@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> first: array<f32>;
@group(0) @binding(3) var<storage, read_write> second: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
// [1]: what every gradient is multiplied by before it is used.
@group(0) @binding(5) var<storage, read_write> clip_factor: array<f32>;
// elements, then the bits of: rate, decay, β₁, 1 − β₁, β₂, 1 − β₂, ε
@group(0) @binding(0) var<storage, read_write> info: array<u32>;

const THREADS = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = id.y * groups.x * THREADS + id.x;
    if place >= info[0] {
        return;
    }
    let rate = bitcast<f32>(info[1]);
    let decay = bitcast<f32>(info[2]);
    let g = gradient[place] * clip_factor[0];
    let m = first[place] * bitcast<f32>(info[3]) + g * bitcast<f32>(info[4]);
    let v = second[place] * bitcast<f32>(info[5]) + g * g * bitcast<f32>(info[6]);
    first[place] = m;
    second[place] = v;
    let w = weight[place];
    weight[place] = w - (m / (sqrt(v) + bitcast<f32>(info[7])) + w * decay) * rate;
}
