// Random bits by counter: pcg3d (Jarzynski and Olano 2020) mixes three words into three, as
// src/packed/random.rs does.

fn pcg3d(counter: array<{{ words }}, 3>) -> array<{{ words }}, 3> {
    var x = counter[0] * 1664525u + 1013904223u;
    var y = counter[1] * 1664525u + 1013904223u;
    var z = counter[2] * 1664525u + 1013904223u;
    x += y * z;
    y += z * x;
    z += x * y;
    x ^= x >> {{ words }}(16u);
    y ^= y >> {{ words }}(16u);
    z ^= z >> {{ words }}(16u);
    x += y * z;
    y += z * x;
    z += x * y;
    return array<{{ words }}, 3>(x, y, z);
}

