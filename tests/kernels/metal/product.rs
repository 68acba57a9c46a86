//! A dense layer's products, each with what it reads and leaves.

use electra::kernels::{
    formats::Element,
    matmul::config::{Epilogue, MatmulParams, MatmulShader, Orientation},
};

use super::case::{Array, Binding, Case};
use crate::{forms::Form, products};

/// A product of a dense layer's, with everything that it reads and leaves.
pub fn product(shader: MatmulShader, lanes: Vec<u32>) -> Case {
    let [rows, input, output] = [70, 52, 68];
    let case = products::Case::new([rows, input, output]);
    let exact = case.exact();
    let MatmulShader { matmul, tiling } = shader;
    let half = |values: &[f32]| {
        let values = values.iter().copied().map(f64::from).collect();
        Array::Half(values)
    };
    let read = |values: &[f32]| Binding::Read(half(values));
    let (operands, [m, n, k]) = match matmul.orientation {
        Orientation::Plain => ([&case.x, &case.kernel], [rows, output, input]),
        Orientation::RightTransposed => ([&case.grad, &case.kernel], [rows, input, output]),
        Orientation::LeftTransposed => ([&case.x, &case.grad], [input, output, rows]),
    };
    let bias: Vec<f64> = case.bias.iter().copied().map(f64::from).collect();
    let bias = Binding::Read(Array::Full(bias));
    let fresh = |part: usize| Binding::fresh(matmul.result, exact[part].clone());
    let unused = || Binding::Unused;
    let (c, bias, other, sums) = match matmul.epilogue {
        Epilogue::Bias => (fresh(0), bias, unused(), unused()),
        Epilogue::Gelu { kept: false } => (fresh(1), bias, unused(), unused()),
        Epilogue::Gelu { kept: true } => (fresh(2), bias, fresh(3), unused()),
        Epilogue::Residual { masked } => {
            let part = if masked { 5 } else { 4 };
            (fresh(part), bias, read(&case.residual), unused())
        }
        Epilogue::Plain => (fresh(6), unused(), unused(), unused()),
        Epilogue::Onto => {
            let c = Binding::Written(half(&case.onto), exact[7].clone());
            (c, unused(), unused(), unused())
        }
        Epilogue::GeluGradient => (fresh(8), unused(), read(&case.onto), unused()),
        Epilogue::ColumnSums => {
            let (kernel, bias) = exact[9].split_at(input * output);
            let fresh = |values: &[f64]| Binding::fresh(Element::F32, values.to_vec());
            (fresh(kernel), unused(), unused(), fresh(bias))
        }
    };
    let [block_rows, block_columns] = tiling.block();
    let params = MatmulParams {
        m: m as u32,
        n: n as u32,
        k: k as u32,
        mask: Some(products::MASK),
        row_words: case.sequences().row_words().collect(),
    };
    let groups = [
        n.div_ceil(block_columns) as u32,
        m.div_ceil(block_rows) as u32,
    ];
    Case {
        form: Form::new(shader, &params, groups),
        bindings: vec![read(operands[0]), read(operands[1]), c, bias, other, sums],
        lanes,
    }
}
