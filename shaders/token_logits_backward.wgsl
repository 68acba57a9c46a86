// Gradients of the inputs of the token logits: of x, of each sequence's start if there is one, and
// each sequence's share of the weight gradient.
//
// A workgroup takes 64 columns of a sequence; a thread takes one column of every fourth token.

alias Element = {{ element }};

const GIVEN = {{ given }};

@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> starts: array<Element>;
@group(0) @binding(2) var<storage, read_write> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;
@group(0) @binding(4) var<storage, read_write> x_grads: array<Element>;
@group(0) @binding(5) var<storage, read_write> start_grads: array<Element>;
@group(0) @binding(6) var<storage, read_write> shares: array<f32>;

const COLUMNS = 64u;
const TURNS = 4u;

// Of the start gradient and of the weight gradient.
var<workgroup> parts: array<vec2<f32>, 256>;

@compute @workgroup_size(64, 4, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let columns = params.columns;
    let column = group.x * COLUMNS + thread % COLUMNS;
    let turn = thread / COLUMNS;
    let sequence = group.y * columns + column;
    var part = vec2<f32>(0.0);
    if column < columns {
        let factor = weight[column];
        var start = 0.0;
        if GIVEN {
            start = f32(starts[sequence]);
        }
        let tile = params.tiles[group.y];
        for (var token = tile.first + turn; token < tile.end; token += TURNS) {
            let place = token * columns + column;
            let value = f32(x[place]) + start;
            var shaped = value;
            var slope = 1.0;
            if GIVEN {
                let below = distribution(value);
                shaped = value * below;
                slope = below + value * density(value);
            }
            let grad = grads[token] * factor * slope;
            x_grads[place] = Element(grad);
            part += vec2<f32>(grad, grads[token] * shaped);
        }
    }
    parts[thread] = part;
    workgroupBarrier();
    if turn == 0u && column < columns {
        for (var other = 1u; other < TURNS; other++) {
            part += parts[other * COLUMNS + thread];
        }
        shares[sequence] = part.y;
        if GIVEN {
            start_grads[sequence] = Element(part.x);
        }
    }
}
