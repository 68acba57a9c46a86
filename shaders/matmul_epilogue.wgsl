// Shared by the matmul shaders: the epilogue of a finished product, four columns of a row at a
// time, and which products a launch computes.

alias Results = vec4<{{ result }}>;

// Whether a is stored as [k, m], and b as [n, k].
const LEFT_TRANSPOSED = {{ left_transposed }};
const RIGHT_TRANSPOSED = {{ right_transposed }};

// Which operations `store` applies, see there.
const BIASED = {{ biased }};
const MASKED = {{ masked }};
const RESIDUAL = {{ residual }};
const GELU = {{ gelu }};
const KEPT = {{ kept }};
const GELU_GRADIENT = {{ gelu_gradient }};
const ONTO = {{ onto }};
// Whether to sum the columns of b as well.
const COLUMN_SUMS = {{ column_sums }};

// Whether the launch computes several products side by side, or how many it sums.
const BESIDE = {{ beside }};
const SUMMANDS = {{ summands }}u;

// Returns the product of a workgroup and the first column of its block of `width`.
fn own_block(group: u32, width: u32) -> vec2<u32> {
    if !BESIDE {
        return vec2<u32>(0u, group * width);
    }
    let blocks = (params.n + width - 1u) / width;
    return vec2<u32>(group / blocks, group % blocks * width);
}

// Returns the depth of a summand, rounded up to whole slices of `depth`.
fn whole_depth(depth: u32) -> u32 {
    return (params.k + depth - 1u) / depth * depth;
}

// Returns the summand of the slice that begins at `first`, and where the slice begins within it.
fn own_slice(first: u32, depth: u32) -> vec2<u32> {
    if SUMMANDS == 1u {
        return vec2<u32>(0u, first);
    }
    let whole = whole_depth(depth);
    return vec2<u32>(first / whole, first % whole);
}

// Stores columns `column` to `column + 3` of a row of product `number`:
//   product (+ bias) · mask (+ residual)
//   GELU(product + bias), and product + bias itself if it is kept
//   product · GELU'(kept value)
//   product + the previous value of c
fn store(number: u32, row: u32, column: u32, product: vec4<f32>) {
    let n = params.n;
    if row >= params.m || column >= n {
        return;
    }
    let at = (row * n + column) / 4u;
    var sum = product;
    if BIASED {
        sum += get_bias(number, column / 4u);
    }
    if MASKED {
        let word = get_row_words(0u, row);
        sum.x *= mask_factor(params.mask, word, column);
        sum.y *= mask_factor(params.mask, word, column + 1u);
        sum.z *= mask_factor(params.mask, word, column + 2u);
        sum.w *= mask_factor(params.mask, word, column + 3u);
    }
    if RESIDUAL {
        sum += vec4<f32>(get_other(0u, at));
    }
    if GELU {
        let inner = Results(sum);
        if KEPT {
            set_other(0u, at, inner);
        }
        let x = vec4<f32>(inner);
        sum = vec4<f32>(gelu(x.x), gelu(x.y), gelu(x.z), gelu(x.w));
    }
    if GELU_GRADIENT {
        let x = vec4<f32>(get_other(0u, at));
        sum *= vec4<f32>(gelu_slope(x.x), gelu_slope(x.y), gelu_slope(x.z), gelu_slope(x.w));
    }
    if ONTO {
        sum += vec4<f32>(get_c(number, at));
    }
    set_c(number, at, Results(sum));
}
