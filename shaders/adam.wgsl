// One step of ELECTRA's Adam on several parameters, in place; all arrays of a parameter are [elements].
// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − rate · (m / (√v + ε) + decay · w)
// A workgroup takes 256 places of one parameter. A line with a # is written once for each of them.
// How moments are kept is below.

// What lies at a place: a value, or four.
alias Floats = {{ floats }};

struct Moments {
    first: Floats,
    second: Floats,
}

const PARAMETERS = {{ parameters }}u;
const THREADS = 256u;

// The bits of β₁, 1 − β₁, β₂, 1 − β₂ and ε, then of each parameter: its first workgroup, its places,
// the bits of rate and decay, and two words by which roundings are drawn.
@group(0) @binding(0) var<storage, read_write> info: array<u32>;
@group(0) @binding(UPDATED * # + 1) var<storage, read_write> weight#: array<Floats>;
// [1]: what every gradient is multiplied by before it is used.
@group(0) @binding(UPDATED * {{ parameters }} + 1) var<storage, read_write> clip_factor: array<f32>;
@group(0) @binding(UPDATED * {{ parameters }} + 2 + #) var<storage, read_write> gradient#: array<Floats>;

const CONSTANTS = 5u;
const WORDS = 6u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = id.y * groups.x + id.x;
    var number = 0u;
    while number + 1u < PARAMETERS && group >= info[CONSTANTS + (number + 1u) * WORDS] {
        number += 1u;
    }
    let row = CONSTANTS + number * WORDS;
    let place = (group - info[row]) * THREADS + thread;
    if place >= info[row + 1u] {
        return;
    }
    var w: Floats;
    var g: Floats;
    switch number {
        case #u: { w = weight#[place]; g = gradient#[place]; }
        default: { return; }
    }
    let rate = bitcast<f32>(info[row + 2u]);
    let decay = bitcast<f32>(info[row + 3u]);
    let old = moments_at(number, place);
    g = g * clip_factor[0];
    let m = old.first * bitcast<f32>(info[0]) + g * bitcast<f32>(info[1]);
    let v = old.second * bitcast<f32>(info[2]) + g * g * bitcast<f32>(info[3]);
    w = w - (m / (sqrt(v) + bitcast<f32>(info[4])) + w * decay) * rate;
    switch number {
        case #u: { weight#[place] = w; }
        default: {}
    }
    keep(number, row, place, Moments(m, v));
}
