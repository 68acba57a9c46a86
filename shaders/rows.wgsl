// y[place] = x[numbers[place]], [numbers, columns]; a number beyond the rows of x gives zeros. One
// thread per scalar or vec4.

alias Values = {{ values }};

@group(0) @binding(0) var<storage, read_write> x: array<Values>;
@group(0) @binding(1) var<storage, read_write> y: array<Values>;

const THREADS = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = thread.y * groups.x * THREADS + thread.x;
    let row = number / params.places;
    if row >= params.count {
        return;
    }
    var value = Values(0.0);
    if params.numbers[row] < params.rows {
        value = x[params.numbers[row] * params.places + number % params.places];
    }
    y[number] = value;
}
