// One step of ELECTRA's Adam on several parameters, in place; all arrays of a parameter are [elements].
// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − rate · (m / (√v + ε) + decay · w)
// A workgroup takes 256 places of one parameter. A line with a # is written once for each of them.
// How moments are kept, and what an f16 copy of the weights takes, is below.

// What lies at a place: a value, or four.
alias Floats = {{ floats }};

struct Moments {
    first: Floats,
    second: Floats,
}

const PARAMETERS = {{ parameters }}u;
// Arrays of a parameter that are written.
const UPDATED = {{ updated }};
const THREADS = 256u;

@group(0) @binding(UPDATED * #) var<storage, read_write> weight#: array<Floats>;
// [1]: what every gradient is multiplied by before it is used; below 0 if the gradients are not finite:
// then everything stays as it is.
@group(0) @binding(UPDATED * {{ parameters }}) var<storage, read_write> clip_factor: array<f32>;
@group(0) @binding(UPDATED * {{ parameters }} + 1 + #) var<storage, read_write> gradient#: array<Floats>;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = id.y * groups.x + id.x;
    var number = 0u;
    while number + 1u < PARAMETERS && group >= params.parameters[number + 1u].first_group {
        number += 1u;
    }
    let parameter = params.parameters[number];
    let place = (group - parameter.first_group) * THREADS + thread;
    // No thread returns here: where moments share a block, all of a workgroup keep them together.
    let is_inside = place < parameter.places;
    var w: Floats;
    var g: Floats;
    var old: Moments;
    if is_inside {
        switch number {
            case #u: { w = weight#[place]; g = gradient#[place]; }
            default: {}
        }
        old = moments_at(number, place);
    }
    g = g * clip_factor[0];
    let m = old.first * params.beta_1 + g * params.rest_1;
    let v = old.second * params.beta_2 + g * g * params.rest_2;
    w = w - (m / (sqrt(v) + params.epsilon) + w * parameter.decay) * parameter.rate;
    // Not a branch around it all: the barriers in `keep` need every thread.
    let is_written = is_inside && clip_factor[0] >= 0.0;
    if is_written {
        switch number {
            case #u: { weight#[place] = w; {{ copy }} }
            default: {}
        }
    }
    keep(number, parameter.rounding, place, is_written, Moments(m, v));
}
