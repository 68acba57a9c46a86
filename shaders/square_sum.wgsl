// sums[group] += Σ x² over the workgroup's share of several arrays: every GROUPS-th block of each.
// A line containing a # is repeated for each array.

// An element: a scalar or a vec4.
alias Floats = {{ floats }};

@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
@group(0) @binding(1 + #) var<storage, read_write> x#: array<Floats>;

const THREADS = 256u;
const GROUPS = {{ groups }}u;
const STRIDE = GROUPS * THREADS;

@compute @workgroup_size(256, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let begin = group.x * THREADS + thread;
    var sum = Floats();
    // Sum each array separately, so that fewer small values are added to a large sum.
    // repeat
    var part# = Floats();
    for (var i = begin; i < params.places[#]; i += STRIDE) {
        part# += x#[i] * x#[i];
    }
    sum += part#;
    // end
    let sum_of_group = total(thread, {{ total }});
    if thread == 0u {
        sums[group.x] += sum_of_group;
    }
}
