// Workgroup memory accessed four values at a time.
var<workgroup> {{ name }}: array<vec4<{{ element }}>, {{ quads }}>;

fn {{ name }}_at(quad: u32) -> vec4<{{ element }}> {
    return {{ name }}[quad];
}

fn put_{{ name }}(quad: u32, values: vec4<{{ element }}>) {
    {{ name }}[quad] = values;
}
