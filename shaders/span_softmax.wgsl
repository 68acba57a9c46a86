// Shared by the shaders over a sequence's logits: its softmax, whose terms are spread over the 64
// threads of a workgroup.

const THREADS = 64u;

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;

// For the tokens first .. end: the largest logit, and log Σ exp(logit − largest).
fn normaliser(thread: u32, first: u32, end: u32) -> vec2<f32> {
    var top = logits[first];
    for (var token = first + thread; token < end; token += THREADS) {
        top = max(top, logits[token]);
    }
    top = greatest(thread, top);
    var sum = 0.0;
    for (var token = first + thread; token < end; token += THREADS) {
        sum += exp(logits[token] - top);
    }
    return vec2<f32>(top, log(total(thread, sum)));
}

