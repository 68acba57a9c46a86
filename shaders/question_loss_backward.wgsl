// Gradients of the logits: (softmax − 1 at the target) · weight of that loss · gradient of the
// window's loss. One workgroup per window.

@group(0) @binding(3) var<storage, read_write> grads: array<f32>;
@group(0) @binding(4) var<storage, read_write> start_grads: array<f32>;
@group(0) @binding(5) var<storage, read_write> end_grads: array<f32>;
@group(0) @binding(6) var<storage, read_write> impossible_grads: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let window = params.windows[group.x];
    let normal = normaliser(thread, window.first, window.end);
    let grad = grads[group.x];
    for (var token = window.first + thread; token < window.end; token += THREADS) {
        let probability = exp(logits_of(token) - normal.greatest - normal.log_sum);
        let of_start = select(0.0, 1.0, token == window.start_row);
        let of_end = select(0.0, 1.0, token == window.end_row);
        start_grads[token] = (probability.x - of_start) * (grad / 2.0);
        end_grads[token] = (probability.y - of_end) * (grad / 2.0);
    }
    if thread == 0u {
        let logit = impossible_logits[group.x];
        let pair = pair_normaliser(logit);
        let probability = exp(logit - pair.x - pair.y);
        let right = f32(window.impossible);
        impossible_grads[group.x] = (probability - right) * (grad * params.weight);
    }
}
