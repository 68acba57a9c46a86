// dq[i] = Σ_j p[i, j] · (dp[i, j] − Σ_j p · dp) · k[j] / √size with cooperative matrices, where p =
// softmax(q kᵀ / √size) and dp[i, j] = (grad[i] · v[j]) · factor[i, j]. All tensors are
// [tokens, hidden]. For the other gradients, writes each row's log-sum-exp of the scores and Σ_j p
// · dp to `rows`, [heads, tokens, 2].

@group(0) @binding(1) var<storage, read_write> queries: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> keys: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> values: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> context: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read_write> log_sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> grads: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> query_grads: array<vec4<f16>>;
@group(0) @binding(8) var<storage, read_write> rows: array<vec2<f32>>;

// In `scores`: the scores of all parts, then from SLOPES on their gradients.
const SCORES = 2u;
const SLOPES = PARTS * SIZE * SCORE_STRIDE;
const WEIGHTS = 1u;

@compute @workgroup_size({{ threads }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) lanes: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tile = read_tile(group.x, index);
    let head = group.y;
    let width = params.quarters;
    let column = head * QUARTERS;
    let scale = params.scale;
    let region = min(subgroup, PARTS - 1u);
    let own_scores = region * SIZE * SCORE_STRIDE;
    let own_slopes = SLOPES + own_scores;
    let own_weights = region * SIZE * WEIGHT_STRIDE;
    let line = lane % SIZE;
    // Rounds and parts without rows: see attention_cooperative_forward.wgsl.
    let parts = min(PARTS, (tile.end - tile.first + SIZE - 1u) / SIZE);
    let rounds = (parts + subgroups - 1u) / subgroups;
    for (var round = 0u; round < rounds; round++) {
        let part = round * subgroups + subgroup;
        let row = tile.first + part * SIZE + line;
        let present = select(0u, 1u, part < parts);
        let end = present * tile.end;

        let own_rows = min(part, PARTS - 1u) * SIZE * ROW_STRIDE;
        for (var t = index; t < PARTS * SIZE * QUARTERS; t += THREADS) {
            let source = min(tile.first + t / QUARTERS, tile.end - 1u);
            stage(t / QUARTERS, t % QUARTERS, queries[source * width + column + t % QUARTERS]);
        }
        workgroupBarrier();
        let at_q# = own_rows + #u * SIZE / 4u;
        let q# = coopLoadT<Left>(&staged[at_q# * QUAD], ROW_STRIDE * QUAD);
        workgroupBarrier();
        for (var t = index; t < PARTS * SIZE * QUARTERS; t += THREADS) {
            let source = min(tile.first + t / QUARTERS, tile.end - 1u);
            stage(t / QUARTERS, t % QUARTERS, grads[source * width + column + t % QUARTERS]);
        }
        workgroupBarrier();
        let g# = coopLoadT<Left>(&staged[at_q# * QUAD], ROW_STRIDE * QUAD);

        // Σ_j p · dp equals grad · context; the lanes that share a row split its columns.
        let at = min(row, tile.end - 1u);
        var mean = 0.0;
        for (var quarter = lane / SIZE; quarter < QUARTERS; quarter += lanes / SIZE) {
            let source = at * width + column + quarter;
            mean += dot(vec4<f32>(grads[source]), vec4<f32>(context[source]));
        }
        let own = subgroup * lanes;
        put_scores(own + lane, vec4<f32>(mean));
        workgroupBarrier();
        mean = 0.0;
        for (var other = line; other < lanes; other += SIZE) {
            mean += scores_at(own + other).x;
        }
        let log_sum = log_sums[head * params.tokens + at];
        if lane < SIZE && row < end {
            rows[head * params.tokens + row] = vec2<f32>(log_sum, mean);
        }

        var sum# = Sum();
        for (var block = tile.begin; block < tile.end; block += BLOCK) {
            for (var t = index; t < BLOCK * QUARTERS; t += THREADS) {
                let source = min(block + t / QUARTERS, tile.end - 1u) * width + column + t % QUARTERS;
                stage(t / QUARTERS, t % QUARTERS, keys[source]);
                stage(BLOCK + t / QUARTERS, t % QUARTERS, values[source]);
            }
            workgroupBarrier();
            for (var span = 0u; span < min(BLOCK, tile.end - block); span += SPAN) {
                for (var once = 0u; once < present; once++) {
                    for (var t = 0u; t < SPAN; t += SIZE) {
                        let at_k# = (span + t) * ROW_STRIDE + #u * SIZE / 4u;
                        let at_v# = at_k# + BLOCK * ROW_STRIDE;
                        let to_score = own_scores + t / 4u;
                        let to_slope = own_slopes + t / 4u;
                        var score = Sum();
                        // repeat
                        let k# = coopLoad<Right>(&staged[at_k# * QUAD], ROW_STRIDE * QUAD);
                        score = coopMultiplyAdd(q#, k#, score);
                        // end
                        coopStoreT(score, &scores[to_score * QUAD], SCORE_STRIDE * QUAD);
                        var slope = Sum();
                        // repeat
                        let v# = coopLoad<Right>(&staged[at_v# * QUAD], ROW_STRIDE * QUAD);
                        slope = coopMultiplyAdd(g#, v#, slope);
                        // end
                        coopStoreT(slope, &scores[to_slope * QUAD], SCORE_STRIDE * QUAD);
                    }
                }
                workgroupBarrier();
                for (var quad = lane / SIZE; quad < present * SPAN / 4u; quad += lanes / SIZE) {
                    let key = four(block + span + 4u * quad);
                    let place = line * SCORE_STRIDE + quad;
                    let score = (scale * scores_at(own_scores + place) - log_sum) * LOG2_E;
                    let share = select(vec4<f32>(0.0), exp2(score), key < vec4<u32>(tile.end));
                    let query = vec4<u32>(row - tile.begin);
                    let factor = factors(tile.place, head, query, key - tile.begin);
                    let slope = scores_at(own_slopes + place) * factor;
                    let weight = share * (slope - mean) * scale;
                    put_weights(own_weights + line * WEIGHT_STRIDE + quad, vec4<f16>(weight));
                }
                workgroupBarrier();
                for (var once = 0u; once < present; once++) {
                    for (var t = 0u; t < SPAN; t += SIZE) {
                        let at_weight = own_weights + t / 4u;
                        let weight = coopLoadT<Left>(&weights[at_weight * QUAD], WEIGHT_STRIDE * QUAD);
                        let at_k# = (span + t) * ROW_STRIDE + #u * SIZE / 4u;
                        // repeat
                        let k# = coopLoadT<Right>(&staged[at_k# * QUAD], ROW_STRIDE * QUAD);
                        sum# = coopMultiplyAdd(weight, k#, sum#);
                        // end
                    }
                }
            }
            workgroupBarrier();
        }
        let first = tile.first + part * SIZE;
        // repeat
        for (var once = 0u; once < present; once++) {
            coopStoreT(sum#, &scores[own_scores * QUAD], SCORE_STRIDE * QUAD);
        }
        workgroupBarrier();
        put_gradient(own_scores, first, end, column + #u * SIZE / 4u, lane, lanes);
        workgroupBarrier();
        // end
    }
}

fn put_gradient(own: u32, first: u32, end: u32, column: u32, lane: u32, lanes: u32) {
    for (var t = lane; t < SIZE * SIZE / 4u; t += lanes) {
        let line = t / (SIZE / 4u);
        let quad = t % (SIZE / 4u);
        if first + line < end {
            let values = scores_at(own + line * SCORE_STRIDE + quad);
            query_grads[(first + line) * params.quarters + column + quad] = vec4<f16>(values);
        }
    }
}
