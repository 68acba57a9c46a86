// sums[row] = words[word id] + (types[type id] + positions[position id]), [rows, columns]. A type
// beyond the table adds nothing. One thread per element.

// An element: a scalar or a vec4.
alias Floats = {{ floats }};

@group(0) @binding(0) var<storage, read_write> word_ids: array<u32>;
@group(0) @binding(1) var<storage, read_write> type_ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> position_ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> words: array<Floats>;
@group(0) @binding(4) var<storage, read_write> types: array<Floats>;
@group(0) @binding(5) var<storage, read_write> positions: array<Floats>;
@group(0) @binding(6) var<storage, read_write> sums: array<Floats>;

const THREADS = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = thread.y * groups.x * THREADS + thread.x;
    let row = number / params.places;
    if row >= params.rows {
        return;
    }
    let place = number % params.places;
    var kind = Floats(0.0);
    if type_ids[row] < params.types {
        kind = types[type_ids[row] * params.places + place];
    }
    let position = positions[position_ids[row] * params.places + place];
    sums[number] = words[word_ids[row] * params.places + place] + (kind + position);
}
