// As shared_quads.wgsl, for compilers that load cooperative matrices only from arrays of scalars.
var<workgroup> {{ name }}: array<{{ element }}, 4u * ({{ quads }})>;

fn {{ name }}_at(quad: u32) -> vec4<{{ element }}> {
    let at = 4u * quad;
    return vec4<{{ element }}>({{ name }}[at], {{ name }}[at + 1u], {{ name }}[at + 2u], {{ name }}[at + 3u]);
}

fn put_{{ name }}(quad: u32, values: vec4<{{ element }}>) {
    let at = 4u * quad;
    {{ name }}[at] = values.x;
    {{ name }}[at + 1u] = values.y;
    {{ name }}[at + 2u] = values.z;
    {{ name }}[at + 3u] = values.w;
}
