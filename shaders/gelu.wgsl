// Erf GELU, y = x · Φ(x), or its gradient, y = grad · (Φ(x) + x · φ(x)).

alias Element = {{ element }};

const BACKWARD = {{ backward }};

@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> grads: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;

const THREADS = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = id.y * groups.x * THREADS + id.x;
    if place >= params.elements {
        return;
    }
    let value = f32(x[place]);
    if BACKWARD {
        y[place] = Element(f32(grads[place]) * gelu_slope(value));
    } else {
        y[place] = Element(gelu(value));
    }
}
