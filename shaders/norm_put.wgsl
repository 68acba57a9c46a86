// Stores a gradient as it is.

fn put(row: u32, quad: u32, value: vec4<f32>) {
    x_grads[row * (info[1] / 4u) + quad] = Quad(value);
}
