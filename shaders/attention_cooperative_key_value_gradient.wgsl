// dv[j] = Σ_i p[i, j] · factor[i, j] · grad[i] and dk[j] = Σ_i p[i, j] · (dp[i, j] − Σ_j p · dp) ·
// q[i] / √size within each sequence, with cooperative matrices. A part's rows are keys, and it
// loops over the queries. `rows` was written by attention_cooperative_query_gradient.wgsl.

@group(0) @binding(1) var<storage, read_write> queries: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> keys: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> values: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> grads: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read_write> rows: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> key_grads: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> value_grads: array<vec4<f16>>;

// In `scores`: the scores of all parts, then from SLOPES on their gradients. In `weights`: the left
// factor of `grads`, then from STEEP on that of the queries.
const SCORES = 2u;
const SLOPES = PARTS * SIZE * SCORE_STRIDE;
const WEIGHTS = 2u;
const STEEP = PARTS * SIZE * WEIGHT_STRIDE;

// Log-sum-exp and Σ_j p · dp of each staged query.
var<workgroup> staged_rows: array<vec2<f32>, BLOCK>;

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
    let own_shares = region * SIZE * WEIGHT_STRIDE;
    let own_steep = STEEP + own_shares;
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
            stage(t / QUARTERS, t % QUARTERS, keys[source * width + column + t % QUARTERS]);
        }
        workgroupBarrier();
        let at_own# = own_rows + #u * SIZE / 4u;
        let k# = coopLoadT<Left>(&staged[at_own# * QUAD], ROW_STRIDE * QUAD);
        workgroupBarrier();
        for (var t = index; t < PARTS * SIZE * QUARTERS; t += THREADS) {
            let source = min(tile.first + t / QUARTERS, tile.end - 1u);
            stage(t / QUARTERS, t % QUARTERS, values[source * width + column + t % QUARTERS]);
        }
        workgroupBarrier();
        let v# = coopLoadT<Left>(&staged[at_own# * QUAD], ROW_STRIDE * QUAD);
        workgroupBarrier();

        var key_sum# = Sum();
        var value_sum# = Sum();
        for (var block = tile.begin; block < tile.end; block += BLOCK) {
            for (var t = index; t < BLOCK * QUARTERS; t += THREADS) {
                let source = min(block + t / QUARTERS, tile.end - 1u) * width + column + t % QUARTERS;
                stage(t / QUARTERS, t % QUARTERS, queries[source]);
                stage(BLOCK + t / QUARTERS, t % QUARTERS, grads[source]);
            }
            for (var t = index; t < BLOCK; t += THREADS) {
                staged_rows[t] = rows[head * params.tokens + min(block + t, tile.end - 1u)];
            }
            workgroupBarrier();
            for (var span = 0u; span < min(BLOCK, tile.end - block); span += SPAN) {
                for (var once = 0u; once < present; once++) {
                    for (var t = 0u; t < SPAN; t += SIZE) {
                        let at_q# = (span + t) * ROW_STRIDE + #u * SIZE / 4u;
                        let at_g# = at_q# + BLOCK * ROW_STRIDE;
                        let to_score = own_scores + t / 4u;
                        let to_slope = own_slopes + t / 4u;
                        var score = Sum();
                        // repeat
                        let q# = coopLoad<Right>(&staged[at_q# * QUAD], ROW_STRIDE * QUAD);
                        score = coopMultiplyAdd(k#, q#, score);
                        // end
                        coopStoreT(score, &scores[to_score * QUAD], SCORE_STRIDE * QUAD);
                        var slope = Sum();
                        // repeat
                        let g# = coopLoad<Right>(&staged[at_g# * QUAD], ROW_STRIDE * QUAD);
                        slope = coopMultiplyAdd(v#, g#, slope);
                        // end
                        coopStoreT(slope, &scores[to_slope * QUAD], SCORE_STRIDE * QUAD);
                    }
                }
                workgroupBarrier();
                for (var quad = lane / SIZE; quad < present * SPAN / 4u; quad += lanes / SIZE) {
                    let at = span + 4u * quad;
                    let query = four(block + at);
                    let a = staged_rows[at];
                    let b = staged_rows[at + 1u];
                    let c = staged_rows[at + 2u];
                    let d = staged_rows[at + 3u];
                    let log_sum = vec4<f32>(a.x, b.x, c.x, d.x);
                    let mean = vec4<f32>(a.y, b.y, c.y, d.y);
                    let place = line * SCORE_STRIDE + quad;
                    let score = (scale * scores_at(own_scores + place) - log_sum) * LOG2_E;
                    let share = select(vec4<f32>(0.0), exp2(score), query < vec4<u32>(tile.end));
                    let key = vec4<u32>(row - tile.begin);
                    let factor = factors(tile.place, head, query - tile.begin, key);
                    let slope = scores_at(own_slopes + place) * factor;
                    let to = line * WEIGHT_STRIDE + quad;
                    put_weights(own_shares + to, vec4<f16>(share * factor));
                    put_weights(own_steep + to, vec4<f16>(share * (slope - mean) * scale));
                }
                workgroupBarrier();
                for (var once = 0u; once < present; once++) {
                    for (var t = 0u; t < SPAN; t += SIZE) {
                        let at_share = own_shares + t / 4u;
                        let at_steep = own_steep + t / 4u;
                        let at_q# = (span + t) * ROW_STRIDE + #u * SIZE / 4u;
                        let at_g# = at_q# + BLOCK * ROW_STRIDE;
                        let steep = coopLoadT<Left>(&weights[at_steep * QUAD], WEIGHT_STRIDE * QUAD);
                        // repeat
                        let q# = coopLoadT<Right>(&staged[at_q# * QUAD], ROW_STRIDE * QUAD);
                        key_sum# = coopMultiplyAdd(steep, q#, key_sum#);
                        // end
                        let share = coopLoadT<Left>(&weights[at_share * QUAD], WEIGHT_STRIDE * QUAD);
                        // repeat
                        let g# = coopLoadT<Right>(&staged[at_g# * QUAD], ROW_STRIDE * QUAD);
                        value_sum# = coopMultiplyAdd(share, g#, value_sum#);
                        // end
                    }
                }
            }
            workgroupBarrier();
        }
        let first = tile.first + part * SIZE;
        // repeat
        for (var once = 0u; once < present; once++) {
            coopStoreT(key_sum#, &scores[own_scores * QUAD], SCORE_STRIDE * QUAD);
            coopStoreT(value_sum#, &scores[own_slopes * QUAD], SCORE_STRIDE * QUAD);
        }
        workgroupBarrier();
        put_gradients(own_scores, first, end, column + #u * SIZE / 4u, lane, lanes);
        workgroupBarrier();
        // end
    }
}

fn put_gradients(own: u32, first: u32, end: u32, column: u32, lane: u32, lanes: u32) {
    for (var t = lane; t < SIZE * SIZE / 4u; t += lanes) {
        let line = t / (SIZE / 4u);
        let quad = t % (SIZE / 4u);
        if first + line < end {
            let source = own + line * SCORE_STRIDE + quad;
            let to = (first + line) * params.quarters + column + quad;
            key_grads[to] = vec4<f16>(scores_at(source));
            value_grads[to] = vec4<f16>(scores_at(SLOPES + source));
        }
    }
}
