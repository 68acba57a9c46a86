// context[i] = Σ_j softmax_j(q[i] · k[j] / √size) · factor[i, j] · v[j] within each sequence, in
// one pass over the keys with a running maximum and sum (online softmax). All tensors are
// [tokens, hidden]. For the backward pass, writes each row's log-sum-exp of the scores to
// `log_sums`, [heads, tokens].

@group(0) @binding(1) var<storage, read_write> queries: array<Quad>;
@group(0) @binding(2) var<storage, read_write> keys: array<Quad>;
@group(0) @binding(3) var<storage, read_write> values: array<Quad>;
@group(0) @binding(4) var<storage, read_write> context: array<Quad>;
@group(0) @binding(5) var<storage, read_write> log_sums: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = read_tile(group.x, thread);
    let head = group.y;
    let width = params.quarters;
    let column = head * QUARTERS;
    let row = tile.first + thread;
    // Threads beyond the sequence work on its last row and write nothing.
    let at = min(row, tile.end - 1u) * width + column;
    let scale = params.scale;
    let q# = vec4<f32>(queries[at + #u]) * scale;
    var sum# = vec4<f32>(0.0);
    var greatest = -1e30;
    var total = 0.0;
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
            if score > greatest {
                let shrink = exp(greatest - score);
                greatest = score;
                total *= shrink;
                sum# *= shrink;
            }
            let share = exp(score - greatest);
            total += share;
            let weight = share * factor(tile.place, head, row - tile.begin, block + j - tile.begin);
            sum# += weight * block_b[b + #u];
        }
        workgroupBarrier();
    }
    if row < tile.end {
        context[at + #u] = Quad(sum# / total);
        log_sums[head * params.tokens + row] = greatest + log(total);
    }
}
