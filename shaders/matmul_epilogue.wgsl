// What becomes of a finished product, four columns of a row at a time. What the matmul shaders share:
// the result and what it is made with; a is binding 1 and b binding 2.

alias Operand = {{ operand }};
alias Result = {{ result }};
alias Results = vec4<{{ result }}>;

// Whether a lies as [k, m], and b as [n, k].
const LEFT_TRANSPOSED = {{ left_transposed }};
const RIGHT_TRANSPOSED = {{ right_transposed }};

// Which of these `store` does, see there.
const BIASED = {{ biased }};
const MASKED = {{ masked }};
const RESIDUAL = {{ residual }};
const GELU = {{ gelu }};
const KEPT = {{ kept }};
const GELU_GRADIENT = {{ gelu_gradient }};
const ONTO = {{ onto }};
// Whether the sums of the columns of b are wanted too.
const COLUMN_SUMS = {{ column_sums }};

// Each row's word in masks, [m].
@group(0) @binding(0) var<storage, read_write> row_words: array<u32>;
@group(0) @binding(3) var<storage, read_write> c: array<Results>;
// [n]
@group(0) @binding(4) var<storage, read_write> bias: array<vec4<f32>>;
// The residual, or the values before GELU; [m, n].
@group(0) @binding(5) var<storage, read_write> other: array<Results>;
// [n]
@group(0) @binding(6) var<storage, read_write> column_sums: array<f32>;

// Stores columns `column` to `column + 3` of a row:
//   product (+ bias) · mask (+ residual)
//   GELU(product + bias), and product + bias itself where it is kept
//   product · GELU'(what was kept)
//   product + what c holds
fn store(row: u32, column: u32, product: vec4<f32>) {
    let n = params.n;
    if row >= params.m || column >= n {
        return;
    }
    let at = (row * n + column) / 4u;
    var sum = product;
    if BIASED {
        sum += bias[column / 4u];
    }
    if MASKED {
        let word = row_words[row];
        sum.x *= mask_factor(params.mask, word, column);
        sum.y *= mask_factor(params.mask, word, column + 1u);
        sum.z *= mask_factor(params.mask, word, column + 2u);
        sum.w *= mask_factor(params.mask, word, column + 3u);
    }
    if RESIDUAL {
        sum += vec4<f32>(other[at]);
    }
    if GELU {
        let inner = Results(sum);
        if KEPT {
            other[at] = inner;
        }
        let x = vec4<f32>(inner);
        sum = vec4<f32>(gelu(x.x), gelu(x.y), gelu(x.z), gelu(x.w));
    }
    if GELU_GRADIENT {
        let x = vec4<f32>(other[at]);
        sum *= vec4<f32>(gelu_slope(x.x), gelu_slope(x.y), gelu_slope(x.z), gelu_slope(x.w));
    }
    if ONTO {
        sum += vec4<f32>(c[at]);
    }
    c[at] = Results(sum);
}
