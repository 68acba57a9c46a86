
// Moments in f32, an array each.

@group(0) @binding(UPDATED * # + 1) var<storage, read_write> first#: array<Floats>;
@group(0) @binding(UPDATED * # + 2) var<storage, read_write> second#: array<Floats>;

fn moments_at(number: u32, place: u32) -> Moments {
    var moments: Moments;
    switch number {
        case #u: { moments = Moments(first#[place], second#[place]); }
        default: {}
    }
    return moments;
}

fn keep(number: u32, rounding: array<u32, 2>, place: u32, is_written: bool, moments: Moments) {
    if !is_written {
        return;
    }
    switch number {
        case #u: { first#[place] = moments.first; second#[place] = moments.second; }
        default: {}
    }
}
