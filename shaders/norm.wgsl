// What the shaders of layer normalisation share: a workgroup takes a row of [rows, columns], its
// threads go over the columns, four at a time.

alias Quad = vec4<{{ element }}>;

const THREADS = 64u;

var<workgroup> parts: array<vec2<f32>, 64>;

// The sum of `part` over the threads, the same for each.
fn total(thread: u32, part: vec2<f32>) -> vec2<f32> {
    parts[thread] = part;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half {
            parts[thread] += parts[thread + half];
        }
        workgroupBarrier();
    }
    let sum = parts[0];
    workgroupBarrier();
    return sum;
}

fn sum_of(values: vec4<f32>) -> f32 {
    return dot(values, vec4<f32>(1.0));
}
