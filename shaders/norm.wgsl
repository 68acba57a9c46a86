// What the normalisation shaders share: a workgroup takes a row of [rows, columns], its threads go
// over the columns.

alias Element = {{ element }};

const THREADS = 64u;
const MASKED = {{ masked }};

// rows, columns, bits of epsilon, site, threshold, bits of the mask's scale; then each row's word.
@group(0) @binding(0) var<storage, read_write> info: array<u32>;

const HEADER = 6u;

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
