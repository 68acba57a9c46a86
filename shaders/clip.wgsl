// What follows from the sums of squares over all gradients: the norm, beside a step's losses as the host
// reads them, and the factor that clips the gradients, -1 if a figure is not finite. One workgroup.

@group(0) @binding(0) var<storage, read_write> losses: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
// The losses, then the norm.
@group(0) @binding(2) var<storage, read_write> figures: array<f32>;
@group(0) @binding(3) var<storage, read_write> clip_factor: array<f32>;

const THREADS = 256u;

// By its bits: compilers may assume that a float is finite.
fn is_finite(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(256, 1, 1)
fn main(@builtin(local_invocation_index) thread: u32) {
    for (var i = thread; i < params.losses; i += THREADS) {
        figures[i] = losses[i];
    }
    var part = 0.0;
    for (var i = thread; i < params.parts; i += THREADS) {
        part += sums[i];
    }
    let sum = total(thread, part);
    if thread == 0u {
        let norm = sqrt(sum) / params.loss_scale;
        figures[params.losses] = norm;
        // The norm is finite if the sum is, which comes from memory: nothing is assumed of it.
        var are_finite = is_finite(sum);
        for (var i = 0u; i < params.losses; i++) {
            are_finite = are_finite && is_finite(losses[i]);
        }
        var factor = -1.0;
        if are_finite {
            factor = params.norm / max(norm, params.norm) / params.loss_scale;
        }
        clip_factor[0] = factor;
    }
}
