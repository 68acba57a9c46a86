// Logit of each token: Σ weight · value over the columns of its row, plus the bias and the token's
// term. The value is x or, given starts, GELU(x + start), separately for each start of the token's
// sequence.
//
// A workgroup takes 64 tokens of a sequence, one per thread, with up to RANKS starts. It stages 32
// columns at a time, so that memory is read in whole cache lines; nothing of size starts × tokens ×
// columns is stored.

alias Element = {{ element }};

const GIVEN = {{ given }};
const RANKS = {{ ranks }}u;

@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> starts: array<Element>;
@group(0) @binding(2) var<storage, read_write> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> terms: array<f32>;
@group(0) @binding(5) var<storage, read_write> logits: array<f32>;

const TILE = 64u;
const STEP = 32u;
// One more than STEP, so that neighbouring threads access different banks.
const LINE = 33u;

var<workgroup> staged: array<f32, 2112>;
var<workgroup> given: array<f32, 128>;
var<workgroup> factors: array<f32, 32>;

fn shaped(value: f32) -> f32 {
    if GIVEN {
        return gelu(value);
    }
    return value;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let tokens = params.tokens;
    let columns = params.columns;
    let ranks = params.ranks;
    let tile = params.tiles[group.x];
    let first_rank = group.y * RANKS;
    var sum# = 0.0;
    for (var column = 0u; column < columns; column += STEP) {
        for (var place = thread; place < TILE * STEP; place += TILE) {
            let row = tile.first + place / STEP;
            let source = column + place % STEP;
            var value = 0.0;
            if row < tile.end && source < columns {
                value = f32(x[row * columns + source]);
            }
            staged[place / STEP * LINE + place % STEP] = value;
        }
        for (var place = thread; place < RANKS * STEP; place += TILE) {
            let rank = first_rank + place / STEP;
            let source = column + place % STEP;
            var value = 0.0;
            if GIVEN && rank < ranks && source < columns {
                value = f32(starts[(tile.number * ranks + rank) * columns + source]);
            }
            given[place] = value;
        }
        if thread < STEP {
            var factor = 0.0;
            if column + thread < columns {
                factor = weight[column + thread];
            }
            factors[thread] = factor;
        }
        workgroupBarrier();
        for (var i = 0u; i < STEP; i++) {
            let value = staged[thread * LINE + i];
            sum# += factors[i] * shaped(value + given[#u * STEP + i]);
        }
        workgroupBarrier();
    }
    let token = tile.first + thread;
    if token < tile.end {
        let term = bias[0] + terms[token];
        if first_rank + #u < ranks { logits[(first_rank + #u) * tokens + token] = sum# + term; }
    }
}
