
// Moments in eight bits, a workgroup's in a block, as src/kernels/adam/block_moments.rs has them: pairs
// of words, first the floors of the first and of the second moments, then the codes of each place's four
// values. A code counts eighths of octaves above its floor; they are rounded up with the probability of
// what is cut off, by counter.

@group(0) @binding(UPDATED * # + 1) var<storage, read_write> moments#: array<vec2<u32>>;

// Last bits of an f32 that are cut off.
const CUT = 20u;
const SIGN = 0x80000000u;
const SIZE = 0x7fffffffu;
// Octaves that the codes of a first and of a second moment reach over.
const OCTAVES = vec2<u32>(16u, 32u);

fn moments_at(number: u32, place: u32) -> Moments {
    let block = place / THREADS;
    var floors: vec2<u32>;
    var codes: vec2<u32>;
    switch number {
        case #u: { floors = moments#[block * (THREADS + 1u)]; codes = moments#[place + block + 1u]; }
        default: {}
    }
    let shifts = Words(0u, 8u, 16u, 24u);
    let first = (Words(codes.x) >> shifts) & Words(0xffu);
    let second = (Words(codes.y) >> shifts) & Words(0xffu);
    let sizes = values_of(first & Words(0x7fu), floors.x);
    return Moments(
        bitcast<Floats>(sizes | ((first << Words(24u)) & Words(SIGN))),
        bitcast<Floats>(values_of(second, floors.y)),
    );
}

// The bits, without sign, that codes without one stand for.
fn values_of(codes: Words, floor: u32) -> Words {
    return select(Words(floor) + (codes << Words(CUT)), Words(0u), codes == Words(0u));
}

// The codes of bits without sign; noise is below 1 << CUT.
fn codes_of(sizes: Words, noise: Words, floor: u32) -> Words {
    return (max(sizes + noise, Words(floor)) - Words(floor)) >> Words(CUT);
}

fn word_of(codes: Words) -> u32 {
    return codes.x | (codes.y << 8u) | (codes.z << 16u) | (codes.w << 24u);
}

fn largest(sizes: Words) -> u32 {
    return max(max(sizes.x, sizes.y), max(sizes.z, sizes.w));
}

fn keep(number: u32, rounding: array<u32, 2>, place: u32, is_written: bool, moments: Moments) {
    let thread = place % THREADS;
    let first = bitcast<Words>(moments.first);
    let first_sizes = first & Words(SIZE);
    let second_sizes = bitcast<Words>(moments.second) & Words(SIZE);
    // A place outside has zeros, below any other.
    let sizes = greatest(thread, vec2<u32>(largest(first_sizes), largest(second_sizes)));
    // All threads have read the old floors before thread 0 writes the new ones; the barriers in `greatest`
    // order the workgroup's memory alone.
    storageBarrier();
    if !is_written {
        return;
    }
    // Codes end above where the greatest may be rounded up to.
    let highest = (sizes + vec2<u32>((1u << CUT) - 1u)) >> vec2<u32>(23u);
    let floors = (max(highest, OCTAVES) - OCTAVES + vec2<u32>(1u)) << vec2<u32>(23u);
    // Of each value's number in the parameter and the parameter's words.
    let elements = {{ elements }};
    let noise = pcg3d(elements, Words(rounding[0]), Words(rounding[1]));
    let signs = (first & Words(SIGN)) >> Words(24u);
    let first_codes = codes_of(first_sizes, noise[0] >> Words(32u - CUT), floors.x) | signs;
    // A second moment is 0 only if it is.
    let least = select(Words(1u), Words(0u), second_sizes == Words(0u));
    let second_codes = max(codes_of(second_sizes, noise[1] >> Words(32u - CUT), floors.y), least);
    let block = place / THREADS;
    let codes = vec2<u32>(word_of(first_codes), word_of(second_codes));
    switch number {
        case #u: { moments#[place + block + 1u] = codes; }
        default: {}
    }
    if thread == 0u {
        switch number {
            case #u: { moments#[block * (THREADS + 1u)] = floors; }
            default: {}
        }
    }
}
