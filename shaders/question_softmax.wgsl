// Shared by the question loss shaders: the softmaxes over a window's starts and ends, whose terms
// are spread over the 64 threads of a workgroup, and the two-way softmax over whether it has no
// answer.

const THREADS = 64u;

@group(0) @binding(0) var<storage, read_write> start_logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> end_logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> impossible_logits: array<f32>;

fn logits_of(token: u32) -> vec2<f32> {
    return vec2<f32>(start_logits[token], end_logits[token]);
}

// The largest logit, and log Σ exp(logit − largest).
struct Normal {
    greatest: vec2<f32>,
    log_sum: vec2<f32>,
}

// For starts and ends, over the tokens first .. end.
fn normaliser(thread: u32, first: u32, end: u32) -> Normal {
    var top = logits_of(first);
    for (var token = first + thread; token < end; token += THREADS) {
        top = max(top, logits_of(token));
    }
    top = greatest(thread, top);
    var sum = vec2<f32>(0.0);
    for (var token = first + thread; token < end; token += THREADS) {
        sum += exp(logits_of(token) - top);
    }
    return Normal(top, log(total(thread, sum)));
}

// For (0, logit), whose softmax is (σ(−logit), σ(logit)).
fn pair_normaliser(logit: f32) -> vec2<f32> {
    let top = max(0.0, logit);
    return vec2<f32>(top, log(exp(-top) + exp(logit - top)));
}

