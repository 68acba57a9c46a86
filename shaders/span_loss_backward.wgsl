// Gradient of −log softmax(logits)[target]: (softmax − 1 at the target) · gradient of the sequence's loss.
// A workgroup takes a sequence.

@group(0) @binding(2) var<storage, read_write> grads: array<f32>;
@group(0) @binding(3) var<storage, read_write> logit_grads: array<f32>;
// In info: first token, end and target of each sequence.

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let sequence = 3u * group.x;
    let first = info[sequence];
    let end = info[sequence + 1u];
    let normal = normaliser(thread, first, end);
    let grad = grads[group.x];
    for (var token = first + thread; token < end; token += THREADS) {
        let probability = exp(logits[token] - normal.x - normal.y);
        let right = select(0.0, 1.0, token == info[sequence + 2u]);
        logit_grads[token] = (probability - right) * grad;
    }
}
