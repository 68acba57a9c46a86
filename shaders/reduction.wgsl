// Tree reductions (sum and maximum) over the threads of a workgroup; THREADS is a power of two.
// Must be called in uniform control flow.

var<workgroup> parts: array<{{ part }}, THREADS>;

// Returns the sum of `part` over the threads, to every thread.
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

// Returns the largest `part` of the threads, to every thread.
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

