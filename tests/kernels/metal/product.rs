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
    let [left, right, results] = matmul.products.counts();
    let bias: Vec<f64> = case.bias.iter().copied().map(f64::from).collect();
    let of = |part: usize| -> Vec<f64> { exact[part].clone() };
    let (c, other, sums) = match matmul.epilogue {
        Epilogue::Bias => (of(0), None, None),
        Epilogue::Gelu { kept: false } => (of(1), None, None),
        Epilogue::Gelu { kept: true } => {
            let inner = Binding::fresh(matmul.result, of(3));
            (of(2), Some(inner), None)
        }
        Epilogue::Residual { masked } => {
            let part = if masked { 5 } else { 4 };
            (of(part), Some(read(&case.residual)), None)
        }
        Epilogue::Plain => (of(6), None, None),
        // Of several the sum, each of which is the same.
        Epilogue::Onto => {
            let once = of(7).into_iter().zip(&case.onto);
            let summed = once.map(|(once, &onto)| {
                let onto = f64::from(onto);
                onto + left as f64 * (once - onto)
            });
            (summed.collect(), None, None)
        }
        Epilogue::GeluGradient => (of(8), Some(read(&case.onto)), None),
        Epilogue::ColumnSums => {
            let (kernel, bias) = exact[9].split_at(input * output);
            (kernel.to_vec(), None, Some(bias.to_vec()))
        }
    };
    let mut bindings = Vec::new();
    let mut bind = |name: &str, count: usize, binding: &dyn Fn() -> Binding| {
        bindings.extend((0..count).map(|number| (format!("{name}{number}"), binding())));
    };
    bind("a", left, &|| read(operands[0]));
    bind("b", right, &|| read(operands[1]));
    bind("c", results, &|| match matmul.epilogue {
        Epilogue::Onto => Binding::Written(half(&case.onto), c.clone()),
        _ => Binding::fresh(matmul.result, c.clone()),
    });
    bind("bias", right, &|| Binding::Read(Array::Full(bias.clone())));
    if let Some(sums) = sums {
        bind("column_sums", right, &|| {
            Binding::fresh(Element::F32, sums.clone())
        });
    }
    bindings.extend(other.map(|other| ("other0".to_owned(), other)));
    let [block_rows, block_columns] = tiling.block();
    let params = MatmulParams {
        m: m as u32,
        n: n as u32,
        k: k as u32,
        mask: Some(products::MASK),
    };
    let groups = [
        (results * n.div_ceil(block_columns)) as u32,
        m.div_ceil(block_rows) as u32,
    ];
    Case {
        form: Form::new(shader, &params, groups)
            .with_rows("row_words", case.sequences().row_words().collect()),
        bindings,
        lanes,
    }
}
