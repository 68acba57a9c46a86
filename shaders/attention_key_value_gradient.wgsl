// dk[j] = Σ_i p[i, j] · (dp[i, j] − Σ_j p · dp) · q[i] / √size and dv[j] = Σ_i p[i, j] ·
// factor[i, j] · grad[i] within each sequence. A thread takes a key and loops over the queries. A
// workgroup computes only one of the two gradients, so that a row's values stay in registers: first
// the workgroups of the keys, head by head, then those of the values. `rows` was written by
// attention_query_gradient.wgsl.

@group(0) @binding(1) var<storage, read_write> queries: array<Quad>;
@group(0) @binding(2) var<storage, read_write> keys: array<Quad>;
@group(0) @binding(3) var<storage, read_write> values: array<Quad>;
@group(0) @binding(4) var<storage, read_write> grads: array<Quad>;
@group(0) @binding(5) var<storage, read_write> rows: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> key_grads: array<Quad>;
@group(0) @binding(7) var<storage, read_write> value_grads: array<Quad>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = read_tile(group.x, thread);
    let heads = params.quarters / QUARTERS;
    let of_keys = group.y < heads;
    let head = group.y % heads;
    let width = params.quarters;
    let column = head * QUARTERS;
    let row = tile.first + thread;
    let at = min(row, tile.end - 1u) * width + column;
    let scale = params.scale;
    let k# = vec4<f32>(keys[at + #u]) * scale;
    let v# = vec4<f32>(values[at + #u]);
    var d# = vec4<f32>(0.0);
    for (var block = tile.begin; block < tile.end; block += BLOCK) {
        let count = min(BLOCK, tile.end - block);
        for (var t = thread; t < count * QUARTERS; t += THREADS) {
            let source = (block + t / QUARTERS) * width + column + t % QUARTERS;
            block_a[t] = vec4<f32>(queries[source]);
            block_b[t] = vec4<f32>(grads[source]);
        }
        workgroupBarrier();
        for (var i = 0u; i < count; i++) {
            let b = i * QUARTERS;
            let query = rows[head * params.tokens + block + i];
            var score = 0.0;
            score += dot(k#, block_a[b + #u]);
            let share = exp(score - query.x);
            let kept = factor(tile.place, head, block + i - tile.begin, row - tile.begin);
            if of_keys {
                var slope = 0.0;
                slope += dot(v#, block_b[b + #u]);
                slope *= kept;
                let ds = share * (slope - query.y) * scale;
                d# += ds * block_a[b + #u];
            } else {
                let weight = share * kept;
                d# += weight * block_b[b + #u];
            }
        }
        workgroupBarrier();
    }
    if row < tile.end {
        if of_keys {
            key_grads[at + #u] = Quad(d#);
        } else {
            value_grads[at + #u] = Quad(d#);
        }
    }
}
