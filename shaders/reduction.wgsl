// Sums and maxima over the threads of a workgroup, by halves; THREADS is a power of two. All threads
// must come here together.

var<workgroup> parts: array<{{ part }}, THREADS>;

// The sum of `part` over the threads, the same for each.
fn total(thread: u32, part: {{ part }}) -> {{ part }} {
    parts[thread] = part;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half {
            parts[thread] += parts[thread + half];
        }
        workgroupBarrier();
    }
    let sum = parts[0];
    workgroupBarrier();
    return sum;
}

// The greatest `part` of the threads, the same for each.
fn greatest(thread: u32, part: {{ part }}) -> {{ part }} {
    parts[thread] = part;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half {
            parts[thread] = max(parts[thread], parts[thread + half]);
        }
        workgroupBarrier();
    }
    let value = parts[0];
    workgroupBarrier();
    return value;
}

