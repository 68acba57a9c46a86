// sums[group] += Σ x² over the values that fall to the workgroup, each GROUPS-th block of them.

@group(0) @binding(0) var<storage, read_write> info: array<u32>; // elements
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

const THREADS = 256u;
const GROUPS = {{ groups }}u;

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var part = 0.0;
    for (var place = group.x * THREADS + thread; place < info[0]; place += GROUPS * THREADS) {
        part += x[place] * x[place];
    }
    parts[thread] = part;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half {
            parts[thread] += parts[thread + half];
        }
        workgroupBarrier();
    }
    if thread == 0u {
        sums[group.x] += parts[0];
    }
}
