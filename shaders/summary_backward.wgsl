// Gradients of a sequence's rows and logits, given that of its summary, the first row concatenated
// with the weighted mean. A row's gradient is weight · gradient of the mean, plus the first row's
// own; a logit's is weight · (row − mean) · gradient of the mean. A workgroup takes a row; its
// threads loop over the columns.

alias Element = {{ element }};

const THREADS = 64u;

@group(0) @binding(0) var<storage, read_write> rows: array<Element>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> summaries: array<Element>;
@group(0) @binding(3) var<storage, read_write> grads: array<Element>;
@group(0) @binding(4) var<storage, read_write> row_grads: array<Element>;
@group(0) @binding(5) var<storage, read_write> logit_grads: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let columns = params.columns;
    let number = params.sequences[row];
    var first = row == 0u;
    if !first {
        first = params.sequences[row - 1u] != number;
    }
    let weight = weights[row];
    var part = 0.0;
    for (var column = thread; column < columns; column += THREADS) {
        let place = row * columns + column;
        let summary = 2u * number * columns + column;
        let mean_grad = f32(grads[summary + columns]);
        part += (f32(rows[place]) - f32(summaries[summary + columns])) * mean_grad;
        var grad = weight * mean_grad;
        if first {
            grad += f32(grads[summary]);
        }
        row_grads[place] = Element(grad);
    }
    let sum = total(thread, part);
    if thread == 0u {
        logit_grads[row] = weight * sum;
    }
}
