// What the shaders of layer normalisation share: a workgroup takes a row of [rows, columns], its
// threads go over the columns, four at a time.

alias Quad = vec4<{{ element }}>;

const THREADS = 64u;

fn sum_of(values: vec4<f32>) -> f32 {
    return dot(values, vec4<f32>(1.0));
}
