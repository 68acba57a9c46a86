// Counter-based random bits: pcg3d (Jarzynski and Olano 2020) maps three words to three, as in
// src/packed/random.rs.

// One word, or a vector of words drawn together.
alias Words = {{ words }};

fn pcg3d(a: Words, b: Words, c: Words) -> array<Words, 3> {
    var x = a * 1664525u + 1013904223u;
    var y = b * 1664525u + 1013904223u;
    var z = c * 1664525u + 1013904223u;
    x += y * z;
    y += z * x;
    z += x * y;
    x ^= x >> Words(16u);
    y ^= y >> Words(16u);
    z ^= z >> Words(16u);
    x += y * z;
    y += z * x;
    z += x * y;
    return array<Words, 3>(x, y, z);
}

