// GELU with the error function's value: y = x · Φ(x), or its gradient, y = grad · (Φ(x) + x · φ(x)).

alias Element = {{ element }};

const BACKWARD = {{ backward }};

@group(0) @binding(1) var<storage, read_write> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> grads: array<Element>;
@group(0) @binding(3) var<storage, read_write> y: array<Element>;
// elements
@group(0) @binding(0) var<storage, read_write> info: array<u32>;

const THREADS = 256u;

// Φ(x) = ½ + x · P(x²) / Q(x²), the fit of src/kernels/normal.rs.
fn distribution(value: f32) -> f32 {
    let x = clamp(value, -5.6, 5.6);
    let s = x * x;
    let p = ((((2.2145153e-8 * s + 6.356488e-6) * s + 1.7384966e-4) * s + 4.707253e-3) * s + 3.4376044e-2) * s + 3.9894223e-1;
    let q = ((((1.180204e-6 * s + 7.510138e-5) * s + 1.9129725e-3) * s + 2.8940044e-2) * s + 2.5283366e-1) * s + 1.0;
    return 0.5 + x * (p / q);
}

// φ(x)
fn density(x: f32) -> f32 {
    return 0.3989423 * exp(-0.5 * x * x);
}

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = id.y * groups.x * THREADS + id.x;
    if place >= info[0] {
        return;
    }
    let value = f32(x[place]);
    if BACKWARD {
        y[place] = Element(f32(grads[place]) * (distribution(value) + value * density(value)));
    } else {
        y[place] = Element(value * distribution(value));
    }
}
