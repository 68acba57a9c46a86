// dv[j] = Σ_i p[i, j] · factor[i, j] · grad[i] within each sequence; a thread takes a key and goes over
// the queries. `rows` is what attention_query_gradient.wgsl left.

@group(0) @binding(1) var<storage, read_write> queries: array<Quad>;
@group(0) @binding(2) var<storage, read_write> keys: array<Quad>;
@group(0) @binding(3) var<storage, read_write> grads: array<Quad>;
@group(0) @binding(4) var<storage, read_write> rows: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> value_grads: array<Quad>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tile = read_tile(group.x, thread);
    let head = group.y;
    let width = params.quarters;
    let column = head * QUARTERS;
    let row = tile.first + thread;
    let at = min(row, tile.end - 1u) * width + column;
    let scale = params.scale;
    let k# = vec4<f32>(keys[at + #u]) * scale;
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
            let weight = share * factor(tile.place, head, block + i - tile.begin, row - tile.begin);
            d# += weight * block_b[b + #u];
        }
        workgroupBarrier();
    }
    if row < tile.end {
        value_grads[at + #u] = Quad(d#);
    }
}
