// What follows from the sums of squares over all gradients: the norm, beside a step's losses as the host
// reads them, and the factor that clips the gradients. One workgroup.

@group(0) @binding(0) var<storage, read_write> losses: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
// The losses, then the norm.
@group(0) @binding(2) var<storage, read_write> figures: array<f32>;
@group(0) @binding(3) var<storage, read_write> clip_factor: array<f32>;

const THREADS = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(@builtin(local_invocation_index) thread: u32) {
    for (var i = thread; i < params.losses; i += THREADS) {
        figures[i] = losses[i];
    }
    var part = 0.0;
    for (var i = thread; i < params.parts; i += THREADS) {
        part += sums[i];
    }
    let norm = sqrt(total(thread, part)) / params.loss_scale;
    if thread == 0u {
        figures[params.losses] = norm;
        clip_factor[0] = params.norm / max(norm, params.norm) / params.loss_scale;
    }
}
