// Gradient of −log softmax(logits)[target]: (softmax − 1 at the target) · gradient of the
// sequence's loss. One workgroup per sequence.

@group(0) @binding(1) var<storage, read_write> grads: array<f32>;
@group(0) @binding(2) var<storage, read_write> logit_grads: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let sequence = params.sequences[group.x];
    let normal = normaliser(thread, sequence.first, sequence.end);
    let grad = grads[group.x];
    for (var token = sequence.first + thread; token < sequence.end; token += THREADS) {
        let probability = exp(logits[token] - normal.x - normal.y);
        let right = select(0.0, 1.0, token == sequence.target_row);
        logit_grads[token] = (probability - right) * grad;
    }
}
