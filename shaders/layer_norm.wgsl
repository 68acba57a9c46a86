// Shared by the layer normalisation shaders: a workgroup takes a row of [rows, columns], and its
// threads loop over the columns, four at a time.

alias Quad = vec4<{{ element }}>;

const THREADS = 64u;

fn sum_of(values: vec4<f32>) -> f32 {
    return dot(values, vec4<f32>(1.0));
}
