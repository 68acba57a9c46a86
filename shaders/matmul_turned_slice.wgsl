// Stages a slice of an operand whose lines in memory lie across the depth, transposed into lines
// along it: a piece is four quads, one below the other, which are transposed. Otherwise as in
// matmul_slice.wgsl.

alias piece_{{ side }} = array<Quad, 4>;

const ALONG_{{ side }} = true;
const QUADS_{{ side }} = {{ line }}u / 4u;
const STRIDE_{{ side }} = QUADS_{{ side }} + SPACE;
const STEP_{{ side }} = THREADS / QUADS_{{ side }};

fn line_{{ side }}(first: u32, thread: u32, piece: u32) -> u32 {
    let column = first / 4u + piece * STEP_{{ side }} + thread / QUADS_{{ side }};
    return min(column, params.{{ extent }} / 4u - 1u);
}

fn at_{{ side }}(slice: u32, first: u32, thread: u32) -> u32 {
    return (slice + thread % QUADS_{{ side }} * 4u) * (params.{{ extent }} / 4u);
}

fn depth_{{ side }}(slice: u32, thread: u32, piece: u32) -> u32 {
    return slice + thread % QUADS_{{ side }} * 4u;
}

fn within_{{ side }}(depth: u32, values: piece_{{ side }}) -> piece_{{ side }} {
    return piece_{{ side }}(
        select(Quad(), values[0], depth < params.k),
        select(Quad(), values[1], depth + 1u < params.k),
        select(Quad(), values[2], depth + 2u < params.k),
        select(Quad(), values[3], depth + 3u < params.k),
    );
}

fn stage_{{ side }}(thread: u32, piece: u32, values: piece_{{ side }}) {
    let line = (piece * STEP_{{ side }} + thread / QUADS_{{ side }}) * 4u;
    let to = line * STRIDE_{{ side }} + thread % QUADS_{{ side }};
    let x = values[0];
    let y = values[1];
    let z = values[2];
    let w = values[3];
    put_{{ side }}(to, Quad(x.x, y.x, z.x, w.x));
    put_{{ side }}(to + STRIDE_{{ side }}, Quad(x.y, y.y, z.y, w.y));
    put_{{ side }}(to + 2u * STRIDE_{{ side }}, Quad(x.z, y.z, z.z, w.z));
    put_{{ side }}(to + 3u * STRIDE_{{ side }}, Quad(x.w, y.w, z.w, w.w));
}
