// Gradients of γ and β of several normalisations: sums the partial sums that
// layer_norm_backward.wgsl wrote for each, [2 · slices, columns]. A thread takes one column of one
// normalisation. A line containing a # is repeated for each normalisation.

const NORMS = {{ norms }};
const THREADS = 64u;

@group(0) @binding(#) var<storage, read_write> shares#: array<f32>;
@group(0) @binding(NORMS + 2 * #) var<storage, read_write> gamma_grads#: array<f32>;
@group(0) @binding(NORMS + 2 * # + 1) var<storage, read_write> beta_grads#: array<f32>;

// Both partial sums at these places of normalisation `number`.
fn share(number: u32, of_gamma: u32, of_beta: u32) -> vec2<f32> {
    switch number {
        case #u: { return vec2<f32>(shares#[of_gamma], shares#[of_beta]); }
        default: { return vec2<f32>(0.0); }
    }
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let norm = params.norms[group.y];
    let column = group.x * THREADS + thread;
    if column >= norm.columns {
        return;
    }
    var sum = vec2<f32>(0.0);
    for (var slice = 0u; slice < norm.slices; slice++) {
        let place = slice * norm.columns + column;
        sum += share(group.y, place, norm.slices * norm.columns + place);
    }
    switch group.y {
        case #u: { gamma_grads#[column] = sum.x; beta_grads#[column] = sum.y; }
        default: {}
    }
}
