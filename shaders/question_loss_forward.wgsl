// The loss of each window: (CE(start) + CE(end)) / 2 + weight · CE(impossible). One workgroup per
// window.

@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let window = params.windows[group.x];
    let normal = normaliser(thread, window.first, window.end);
    if thread == 0u {
        let right = vec2<f32>(start_logits[window.start_row], end_logits[window.end_row]);
        let span = normal.log_sum - (right - normal.greatest);
        let logit = impossible_logits[group.x];
        let pair = pair_normaliser(logit);
        let answerable = pair.y - (logit * f32(window.impossible) - pair.x);
        losses[group.x] = (span.x + span.y) / 2.0 + answerable * params.weight;
    }
}
