// An array of a matmul: none, one, or one for each of several products. A line containing a # is
// repeated for each.
@group(0) @binding({{ first }} + #) var<storage, read_write> {{ name }}#: array<{{ values }}>;

fn get_{{ name }}(number: u32, at: u32) -> {{ values }} {
    if number == #u { return {{ name }}#[at]; }
    return {{ values }}();
}

fn set_{{ name }}(number: u32, at: u32, value: {{ values }}) {
    if number == #u { {{ name }}#[at] = value; }
}

