// A sequence's first row, concatenated with the mean of its rows weighted by softmax(logits); also
// stores the weights. A workgroup takes 64 columns of a sequence, one per thread.

alias Element = {{ element }};

@group(0) @binding(1) var<storage, read_write> rows: array<Element>;
@group(0) @binding(2) var<storage, read_write> summaries: array<Element>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;

var<workgroup> staged: array<f32, 64>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let columns = params.columns;
    let first = params.offsets[group.y];
    let end = params.offsets[group.y + 1u];
    let column = group.x * THREADS + thread;
    let normal = normaliser(thread, first, end);
    var mean = 0.0;
    for (var row = first; row < end; row += THREADS) {
        if row + thread < end {
            let weight = exp(logits[row + thread] - normal.x - normal.y);
            staged[thread] = weight;
            if group.x == 0u {
                weights[row + thread] = weight;
            }
        }
        workgroupBarrier();
        if column < columns {
            let count = min(THREADS, end - row);
            for (var i = 0u; i < count; i++) {
                mean += staged[i] * f32(rows[(row + i) * columns + column]);
            }
        }
        workgroupBarrier();
    }
    if column < columns {
        let place = 2u * group.y * columns + column;
        summaries[place] = rows[first * columns + column];
        summaries[place + columns] = Element(mean);
    }
}
