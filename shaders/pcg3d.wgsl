// Random bits by counter: pcg3d (Jarzynski and Olano 2020) mixes three words into three, as
// src/packed/random.rs does.

// A word, or several that are drawn at once.
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

