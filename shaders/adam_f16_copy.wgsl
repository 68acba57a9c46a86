
// The f16 copies of the weights that matmuls take, the last array of each parameter, rounded as a cast rounds.

@group(0) @binding(UPDATED * # + UPDATED - 1) var<storage, read_write> copy#: array<{{ halves }}>;
