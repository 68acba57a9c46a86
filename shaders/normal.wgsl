// The standard normal distribution, for GELU and its gradient.

// Φ(x) = ½ + x · P(x²) / Q(x²), the same fit as in src/kernels/normal.rs.
fn distribution(value: f32) -> f32 {
    let x = clamp(value, -5.6, 5.6);
    let s = x * x;
    let p = ((((2.2145153e-8 * s + 6.356488e-6) * s + 1.7384966e-4) * s + 4.707253e-3) * s
        + 3.4376044e-2) * s + 3.9894223e-1;
    let q = ((((1.180204e-6 * s + 7.510138e-5) * s + 1.9129725e-3) * s + 2.8940044e-2) * s
        + 2.5283366e-1) * s + 1.0;
    return 0.5 + x * (p / q);
}

// φ(x)
fn density(x: f32) -> f32 {
    return 0.3989423 * exp(-0.5 * x * x);
}

// x · Φ(x)
fn gelu(x: f32) -> f32 {
    return x * distribution(x);
}

// Φ(x) + x · φ(x)
fn gelu_slope(x: f32) -> f32 {
    return distribution(x) + x * density(x);
}
