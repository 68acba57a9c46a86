
// Moments in bfloat16: both of a value in a word, the first in its low half, the second in its high
// half. They are rounded up with the probability of what is cut off, by counter: the second moment
// changes by less than half a unit a step, and would stand still if it were rounded to the nearest.

@group(0) @binding(UPDATED * # + 1) var<storage, read_write> moments#: array<Words>;

fn moments_at(number: u32, place: u32) -> Moments {
    var words: Words;
    switch number {
        case #u: { words = moments#[place]; }
        default: {}
    }
    let high = words & Words(0xffff0000u);
    return Moments(bitcast<Floats>(words << Words(16u)), bitcast<Floats>(high));
}

fn keep(number: u32, rounding: array<u32, 2>, place: u32, is_written: bool, moments: Moments) {
    if !is_written {
        return;
    }
    // Of each value's number in the parameter and the parameter's words.
    let elements = {{ elements }};
    let noise = pcg3d(elements, Words(rounding[0]), Words(rounding[1]));
    let first = (bitcast<Words>(moments.first) + (noise[0] >> Words(16u))) >> Words(16u);
    let second = (bitcast<Words>(moments.second) + (noise[1] >> Words(16u))) & Words(0xffff0000u);
    switch number {
        case #u: { moments#[place] = first | second; }
        default: {}
    }
}
