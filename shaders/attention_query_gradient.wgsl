// dq[i] = Σ_j p[i, j] · (dp[i, j] − Σ_j p · dp) · k[j] / √size, where p = softmax(q kᵀ / √size) and
// dp[i, j] = (grad[i] · v[j]) · factor[i, j]. All tensors are [tokens, hidden]; `log_sums` was
// written by attention_forward.wgsl. For the other gradients, writes each row's log-sum-exp of the
// scores and Σ_j p · dp to `rows`, [heads, tokens, 2].

@group(0) @binding(1) var<storage, read_write> queries: array<Quad>;
@group(0) @binding(2) var<storage, read_write> keys: array<Quad>;
@group(0) @binding(3) var<storage, read_write> values: array<Quad>;
@group(0) @binding(4) var<storage, read_write> context: array<Quad>;
@group(0) @binding(5) var<storage, read_write> log_sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> grads: array<Quad>;
@group(0) @binding(7) var<storage, read_write> query_grads: array<Quad>;
@group(0) @binding(8) var<storage, read_write> rows: array<vec2<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = read_tile(group.x, thread);
    let head = group.y;
    let width = params.quarters;
    let column = head * QUARTERS;
    let row = tile.first + thread;
    let at = min(row, tile.end - 1u) * width + column;
    let scale = params.scale;
    let q# = vec4<f32>(queries[at + #u]) * scale;
    let log_sum = log_sums[head * params.tokens + min(row, tile.end - 1u)];
    let g# = vec4<f32>(grads[at + #u]);
    // Σ_j p · dp equals grad · context.
    var mean = 0.0;
    mean += dot(g#, vec4<f32>(context[at + #u]));
    var d# = vec4<f32>(0.0);
    for (var block = tile.begin; block < tile.end; block += BLOCK) {
        let count = min(BLOCK, tile.end - block);
        for (var t = thread; t < count * QUARTERS; t += THREADS) {
            let source = (block + t / QUARTERS) * width + column + t % QUARTERS;
            block_a[t] = vec4<f32>(keys[source]);
            block_b[t] = vec4<f32>(values[source]);
        }
        workgroupBarrier();
        for (var j = 0u; j < count; j++) {
            let b = j * QUARTERS;
            var score = 0.0;
            score += dot(q#, block_a[b + #u]);
            var slope = 0.0;
            slope += dot(g#, block_b[b + #u]);
            slope *= factor(tile.place, head, row - tile.begin, block + j - tile.begin);
            let ds = exp(score - log_sum) * (slope - mean) * scale;
            d# += ds * block_a[b + #u];
        }
        workgroupBarrier();
    }
    if row < tile.end {
        query_grads[at + #u] = Quad(d#);
        rows[head * params.tokens + row] = vec2<f32>(log_sum, mean);
    }
}
