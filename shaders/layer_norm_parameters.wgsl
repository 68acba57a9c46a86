// Gradients of γ and β: the sums of the shares that layer_norm_shares.wgsl left, [2 · slices, columns]. A
// thread takes a column.

@group(0) @binding(0) var<storage, read_write> shares: array<f32>;
@group(0) @binding(1) var<storage, read_write> gamma_grads: array<f32>;
@group(0) @binding(2) var<storage, read_write> beta_grads: array<f32>;

const THREADS = 64u;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slices = params.rows / 2u;
    let columns = params.columns;
    let column = id.x;
    if column >= columns {
        return;
    }
    var gamma_grad = 0.0;
    var beta_grad = 0.0;
    for (var slice = 0u; slice < slices; slice++) {
        gamma_grad += shares[slice * columns + column];
        beta_grad += shares[(slices + slice) * columns + column];
    }
    gamma_grads[column] = gamma_grad;
    beta_grads[column] = beta_grad;
}
