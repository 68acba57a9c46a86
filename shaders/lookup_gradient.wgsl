// sums[id] += rows[row] for each row looked up by that id, in row order; [entries, columns] and
// [rows, columns]. A thread owns one element of an id's row, so no other thread adds to it. A line
// containing a # is repeated for each number.

// An element: a scalar or a vec4.
alias Floats = {{ floats }};

@group(0) @binding(0) var<storage, read_write> sums: array<Floats>;
@group(0) @binding(1) var<storage, read_write> rows: array<Floats>;

const THREADS = 64u;
const AT_ONCE = {{ at_once }}u;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = thread.y * groups.x * THREADS + thread.x;
    let group = number / params.places;
    if group >= params.ids {
        return;
    }
    let place = number % params.places;
    let end = params.words[2u * group + 3u];
    let at = params.words[2u * group] * params.places + place;
    var sum = sums[at];
    var next = params.words[2u * group + 1u];
    // Loaded together, so that a frequent word does not wait for its rows one at a time.
    for (; next + AT_ONCE <= end; next += AT_ONCE) {
        let row# = rows[params.words[next + #u] * params.places + place];
        sum += row#;
    }
    for (; next < end; next += 1u) {
        sum += rows[params.words[next] * params.places + place];
    }
    sums[at] = sum;
}
