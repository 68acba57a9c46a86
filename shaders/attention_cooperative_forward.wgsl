// context[i] = Σ_j softmax_j(q[i] · k[j] / √size) · factor[i, j] · v[j] within each sequence, with
// cooperative matrices. Two passes over the keys, so that no matrix of sums ever has to be
// rescaled: the first finds each row's log-sum-exp, the second recomputes the scores. All tensors
// are [tokens, hidden]; the gradients read the log-sum-exps from `log_sums`, [heads, tokens].

@group(0) @binding(1) var<storage, read_write> queries: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> keys: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> values: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> context: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read_write> log_sums: array<f32>;

const SCORES = 1u;
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
    let steepness = params.scale * LOG2_E;
    let region = min(subgroup, PARTS - 1u);
    let own_scores = region * SIZE * SCORE_STRIDE;
    let own_weights = region * SIZE * WEIGHT_STRIDE;
    let line = lane % SIZE;
    // If subgroups are larger than configured, there are fewer of them than parts in a tile and
    // they process the parts in rounds; if they are smaller, some have no part.
    let parts = min(PARTS, (tile.end - tile.first + SIZE - 1u) / SIZE);
    let rounds = (parts + subgroups - 1u) / subgroups;
    for (var round = 0u; round < rounds; round++) {
        let part = round * subgroups + subgroup;
        let row = tile.first + part * SIZE + line;
        // A part without rows multiplies nothing and writes nothing. Its loop bound says so,
        // because naga treats a condition on the subgroup's number as divergent control flow.
        let present = select(0u, 1u, part < parts);
        let end = present * tile.end;

        // Rows beyond the sequence repeat its last row and are not written.
        for (var t = index; t < PARTS * SIZE * QUARTERS; t += THREADS) {
            let source = min(tile.first + t / QUARTERS, tile.end - 1u);
            stage(t / QUARTERS, t % QUARTERS, queries[source * width + column + t % QUARTERS]);
        }
        workgroupBarrier();
        let own_rows = min(part, PARTS - 1u) * SIZE * ROW_STRIDE;
        let at_q# = own_rows + #u * SIZE / 4u;
        let q# = coopLoadT<Left>(&staged[at_q# * QUAD], ROW_STRIDE * QUAD);
        workgroupBarrier();

        // Over the keys that this lane has seen.
        var greatest = -1e30;
        var total = 0.0;
        for (var block = tile.begin; block < tile.end; block += BLOCK) {
            for (var t = index; t < BLOCK * QUARTERS; t += THREADS) {
                let source = min(block + t / QUARTERS, tile.end - 1u);
                stage(t / QUARTERS, t % QUARTERS, keys[source * width + column + t % QUARTERS]);
            }
            workgroupBarrier();
            for (var once = 0u; once < present; once++) {
                for (var t = 0u; t < SPAN; t += SIZE) {
                    let at_k# = t * ROW_STRIDE + #u * SIZE / 4u;
                    let to = own_scores + t / 4u;
                    var score = Sum();
                    // repeat
                    let k# = coopLoad<Right>(&staged[at_k# * QUAD], ROW_STRIDE * QUAD);
                    score = coopMultiplyAdd(q#, k#, score);
                    // end
                    coopStoreT(score, &scores[to * QUAD], SCORE_STRIDE * QUAD);
                }
            }
            workgroupBarrier();
            for (var quad = lane / SIZE; quad < present * SPAN / 4u; quad += lanes / SIZE) {
                let key = four(block + 4u * quad);
                let score = select(
                    vec4<f32>(-2e30),
                    steepness * scores_at(own_scores + line * SCORE_STRIDE + quad),
                    key < vec4<u32>(tile.end),
                );
                let greater = max(max(greatest, max(score.x, score.y)), max(score.z, score.w));
                total = total * exp2(greatest - greater) + dot(exp2(score - greater), vec4<f32>(1.0));
                greatest = greater;
            }
        }
        workgroupBarrier();
        // First each lane's own values, then those of the whole row, over all lanes that share it.
        let own = subgroup * lanes;
        put_scores(own + lane, vec4<f32>(greatest, total, 0.0, 0.0));
        workgroupBarrier();
        for (var other = line; other < lanes; other += SIZE) {
            greatest = max(greatest, scores_at(own + other).x);
        }
        total = 0.0;
        for (var other = line; other < lanes; other += SIZE) {
            let its = scores_at(own + other);
            total += its.y * exp2(its.x - greatest);
        }
        let log_sum = greatest + log2(total);
        if lane < SIZE && row < end {
            log_sums[head * params.tokens + row] = log_sum * LN_2;
        }

        var sum# = Sum();
        for (var block = tile.begin; block < tile.end; block += BLOCK) {
            for (var t = index; t < BLOCK * QUARTERS; t += THREADS) {
                let source = min(block + t / QUARTERS, tile.end - 1u) * width + column + t % QUARTERS;
                stage(t / QUARTERS, t % QUARTERS, keys[source]);
                stage(BLOCK + t / QUARTERS, t % QUARTERS, values[source]);
            }
            workgroupBarrier();
            for (var once = 0u; once < present; once++) {
                for (var t = 0u; t < SPAN; t += SIZE) {
                    let at_k# = t * ROW_STRIDE + #u * SIZE / 4u;
                    let to = own_scores + t / 4u;
                    var score = Sum();
                    // repeat
                    let k# = coopLoad<Right>(&staged[at_k# * QUAD], ROW_STRIDE * QUAD);
                    score = coopMultiplyAdd(q#, k#, score);
                    // end
                    coopStoreT(score, &scores[to * QUAD], SCORE_STRIDE * QUAD);
                }
            }
            workgroupBarrier();
            for (var quad = lane / SIZE; quad < present * SPAN / 4u; quad += lanes / SIZE) {
                let key = four(block + 4u * quad);
                let score = steepness * scores_at(own_scores + line * SCORE_STRIDE + quad);
                let share = select(vec4<f32>(0.0), exp2(score - log_sum), key < vec4<u32>(tile.end));
                let query = vec4<u32>(row - tile.begin);
                let weight = share * factors(tile.place, head, query, key - tile.begin);
                put_weights(own_weights + line * WEIGHT_STRIDE + quad, vec4<f16>(weight));
            }
            workgroupBarrier();
            for (var once = 0u; once < present; once++) {
                for (var t = 0u; t < SPAN; t += SIZE) {
                    let at_weight = own_weights + t / 4u;
                    let at_v# = (BLOCK + t) * ROW_STRIDE + #u * SIZE / 4u;
                    let weight = coopLoadT<Left>(&weights[at_weight * QUAD], WEIGHT_STRIDE * QUAD);
                    // repeat
                    let v# = coopLoadT<Right>(&staged[at_v# * QUAD], ROW_STRIDE * QUAD);
                    sum# = coopMultiplyAdd(weight, v#, sum#);
                    // end
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
        put_context(own_scores, first, end, column + #u * SIZE / 4u, lane, lanes);
        workgroupBarrier();
        // end
    }
}

fn put_context(own: u32, first: u32, end: u32, column: u32, lane: u32, lanes: u32) {
    for (var t = lane; t < SIZE * SIZE / 4u; t += lanes) {
        let line = t / (SIZE / 4u);
        let quad = t % (SIZE / 4u);
        if first + line < end {
            let values = scores_at(own + line * SCORE_STRIDE + quad);
            context[(first + line) * params.quarters + column + quad] = vec4<f16>(values);
        }
    }
}
