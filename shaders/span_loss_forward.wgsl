// −log softmax(logits)[target] of each sequence. One workgroup per sequence.

@group(0) @binding(1) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let sequence = params.sequences[group.x];
    let normal = normaliser(thread, sequence.first, sequence.end);
    if thread == 0u {
        losses[group.x] = normal.y - (logits[sequence.target_row] - normal.x);
    }
}
