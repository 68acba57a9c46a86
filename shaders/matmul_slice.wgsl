// Stages a slice of an operand in its memory layout: in lines along the depth if ALONG, otherwise
// in lines across it. A thread handles the same quad of every STEP-th line; a piece is what it
// fetches and stages at a time. Beyond the matrix its last lines or columns are repeated; their
// results are not stored.

alias piece_{{ side }} = Quad;

const ALONG_{{ side }} = {{ along }};
const QUADS_{{ side }} = {{ line }}u / 4u;
const STRIDE_{{ side }} = QUADS_{{ side }} + SPACE;
const STEP_{{ side }} = THREADS / QUADS_{{ side }};

// A piece is at `line` + `at` quads in memory; only `at` depends on the slice, which begins at
// depth `slice`.
fn line_{{ side }}(first: u32, thread: u32, piece: u32) -> u32 {
    let line = piece * STEP_{{ side }};
    if ALONG_{{ side }} {
        return min(first + line + thread / QUADS_{{ side }}, params.{{ extent }} - 1u) * (params.k / 4u);
    }
    return line * (params.{{ extent }} / 4u);
}

fn at_{{ side }}(slice: u32, first: u32, thread: u32) -> u32 {
    let quad = thread % QUADS_{{ side }};
    if ALONG_{{ side }} {
        return slice / 4u + quad;
    }
    let width = params.{{ extent }} / 4u;
    return (slice + thread / QUADS_{{ side }}) * width + min(first / 4u + quad, width - 1u);
}

// Returns the depth at which a piece begins.
fn depth_{{ side }}(slice: u32, thread: u32, piece: u32) -> u32 {
    if ALONG_{{ side }} {
        return slice + thread % QUADS_{{ side }} * 4u;
    }
    return slice + piece * STEP_{{ side }} + thread / QUADS_{{ side }};
}

fn within_{{ side }}(depth: u32, values: piece_{{ side }}) -> piece_{{ side }} {
    return select(Quad(), values, depth < params.k);
}

fn stage_{{ side }}(thread: u32, piece: u32, values: piece_{{ side }}) {
    let line = piece * STEP_{{ side }} + thread / QUADS_{{ side }};
    put_{{ side }}(line * STRIDE_{{ side }} + thread % QUADS_{{ side }}, values);
}
