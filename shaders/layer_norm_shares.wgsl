// Gradients of γ and β, each workgroup's share: the sums of gradient · x̂ and of gradient over a slice
// of the rows, [2 · slices, columns] with the shares of γ first. A thread takes a column.

@group(0) @binding(0) var<storage, read_write> x: array<{{ element }}>;
@group(0) @binding(1) var<storage, read_write> moments: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> grads: array<{{ element }}>;
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;

const THREADS = 64u;
const SLICE = {{ slice }}u;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let columns = params.columns;
    let column = group.x * THREADS + thread;
    if column >= columns {
        return;
    }
    var gamma_grad = 0.0;
    var beta_grad = 0.0;
    let last = min(params.rows, (group.y + 1u) * SLICE);
    for (var row = group.y * SLICE; row < last; row++) {
        let moment = moments[row];
        let g = f32(grads[row * columns + column]);
        gamma_grad += g * (f32(x[row * columns + column]) - moment.x) * moment.y;
        beta_grad += g;
    }
    shares[group.y * columns + column] = gamma_grad;
    shares[(groups.y + group.y) * columns + column] = beta_grad;
}
