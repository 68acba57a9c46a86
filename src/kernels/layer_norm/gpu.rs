//! Layer normalisation on the GPU (`shaders/layer_norm_*.wgsl`).

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::Shape,
};

use super::config::{NormConfig, NormParams, NormPass, THREADS};
use crate::kernels::{
    dropout::Dropped,
    formats::Element,
    launch::{self, Arrays, in_two_dimensions, like},
};

/// The format of rows that the shaders take: four columns at a time.
pub(in crate::kernels) fn fitting(x: &CubeTensor) -> Option<Element> {
    Element::of(x.dtype).filter(|_| x.shape()[1].is_multiple_of(4))
}

/// Result and moments of `x`, γ and β.
pub(in crate::kernels) fn forward(
    element: Element,
    inputs: [CubeTensor; 3],
    epsilon: f64,
) -> (CubeTensor, CubeTensor) {
    let [x, gamma, beta] = inputs.map(into_contiguous);
    let shape = x.shape();
    let y = like(&x, shape.clone(), element);
    let moments = like(&gamma, Shape::new([shape[0], 2]), Element::F32);
    launch(
        NormPass::Forward,
        element,
        Arrays {
            read: &[&x, &gamma, &beta],
            written: &[&y, &moments],
            ..Arrays::default()
        },
        in_two_dimensions(shape[0] as u32),
        NormParams {
            epsilon: epsilon as f32,
            ..params(&x)
        },
    );
    (y, moments)
}

/// Gradients of `x`, of what was dropped from, of γ and of β, given `x`, moments, γ and the result's
/// gradient.
pub(in crate::kernels) fn backward(
    element: Element,
    inputs: [CubeTensor; 4],
    dropped: Option<Dropped>,
) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
    let [x, moments, gamma, grad] = inputs.map(into_contiguous);
    let (shape, columns) = (x.shape(), gamma.shape());
    let x_grad = like(&x, shape.clone(), element);
    let dropped_grad = dropped.is_some().then(|| like(&x, shape.clone(), element));
    // Without a mask the first and the last binding are not used: any array will do.
    let words = dropped.as_ref().map_or(moments.clone(), |dropped| {
        dropped.sequences.on_device(&x).words
    });
    let last = dropped_grad.as_ref().unwrap_or(&x_grad);
    launch(
        NormPass::Backward {
            masked: dropped_grad.is_some(),
        },
        element,
        Arrays {
            read: &[&words, &x, &moments, &gamma, &grad],
            written: &[&x_grad, last],
            ..Arrays::default()
        },
        in_two_dimensions(shape[0] as u32),
        NormParams {
            mask: dropped.map(|dropped| dropped.mask),
            ..params(&x)
        },
    );
    let dropped_grad = dropped_grad.unwrap_or_else(|| x_grad.clone());
    let slices = shape[0].div_ceil(NormPass::SLICE);
    let shares = like(&gamma, Shape::new([2 * slices, columns[0]]), Element::F32);
    let wide = (columns[0] as u32).div_ceil(THREADS);
    launch(
        NormPass::Shares,
        element,
        Arrays {
            read: &[&x, &moments, &grad],
            written: &[&shares],
            ..Arrays::default()
        },
        [wide, slices as u32],
        params(&x),
    );
    let [gamma_grad, beta_grad] = [(); 2].map(|()| like(&gamma, columns.clone(), Element::F32));
    launch(
        NormPass::Parameters,
        Element::F32,
        Arrays {
            read: &[&shares],
            written: &[&gamma_grad, &beta_grad],
            ..Arrays::default()
        },
        [wide, 1],
        params(&shares),
    );
    (x_grad, dropped_grad, gamma_grad, beta_grad)
}

fn launch(pass: NormPass, element: Element, arrays: Arrays, groups: [u32; 2], params: NormParams) {
    let client = &arrays.read[0].client;
    launch::launch(
        client,
        NormConfig { pass, element },
        groups,
        &params,
        arrays,
    );
}

/// The parameters of a pass over a matrix, without what only some passes read.
fn params(matrix: &CubeTensor) -> NormParams {
    let shape = matrix.shape();
    NormParams {
        rows: shape[0] as u32,
        columns: shape[1] as u32,
        ..NormParams::default()
    }
}
