// Dropout by counter: each factor is a function of its place alone (pcg3d, Jarzynski and Olano 2020),
// so that the backward pass draws it again.

fn pcg3d(counter: vec3<u32>) -> vec3<u32> {
    var v = counter * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3<u32>(16u);
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    return v;
}

// The mask's scale, or 0 if the value is dropped.
fn mask_factor(mask: Mask, row: u32, column: u32) -> f32 {
    return select(0.0, mask.scale, pcg3d(vec3<u32>(column, row, mask.site)).x < mask.threshold);
}
