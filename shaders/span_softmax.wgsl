// What the shaders over a sequence's logits share: its softmax, whose terms the 64 threads of a
// workgroup take turns at.

const THREADS = 64u;

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;

// Of the tokens first .. end: the greatest logit, and log Σ exp(logit − greatest).
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

