//! Layer normalisation on the GPU (`shaders/layer_norm_*.wgsl`).

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::Shape,
};
use cubecl::ir::attributes::BufferIOAttr;

use super::config::{NormConfig, NormParams, NormPass, THREADS};
use crate::kernels::{
    dropout::Dropped,
    formats::Element,
    launch::{self, Arrays, in_two_dimensions, launch_in_order, like},
};

/// Returns the format of the rows if the shaders support them; they process four columns at a time.
pub(in crate::kernels) fn fitting(x: &CubeTensor) -> Option<Element> {
    Element::of(x.dtype).filter(|_| x.shape()[1].is_multiple_of(4))
}

/// Returns the result and the moments of `x`; the inputs are `x`, γ and β.
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

/// Returns the gradient of `x`, that of its dropped summand, and the partial sums for γ and β,
/// given `x`, moments, γ and the result's gradient. With `dropped` this binds [`NormPass::ARRAYS`]
/// arrays.
pub(in crate::kernels) fn backward(
    element: Element,
    inputs: [CubeTensor; 4],
    dropped: Option<&Dropped>,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let [x, moments, gamma, grad] = inputs.map(into_contiguous);
    let (shape, columns) = (x.shape(), gamma.shape());
    let slices = shape[0].div_ceil(NormPass::SLICE);
    let wide = (columns[0] as u32).div_ceil(THREADS);
    let x_grad = like(&x, shape.clone(), element);
    let shares = like(&gamma, Shape::new([2 * slices, columns[0]]), Element::F32);
    let dropped = dropped.map(|dropped| {
        let words = dropped.sequences.on_device(&x).words;
        (words, like(&x, shape.clone(), element), dropped.mask)
    });
    let (read, written) = (BufferIOAttr::ReadOnly, BufferIOAttr::WriteOnly);
    let mut arrays = [&x, &moments, &gamma, &grad]
        .map(|tensor| (tensor, read))
        .to_vec();
    arrays.extend([&x_grad, &shares].map(|tensor| (tensor, written)));
    if let Some((words, dropped_grad, _)) = &dropped {
        arrays.extend([(words, read), (dropped_grad, written)]);
    }
    launch_in_order(
        &x.client,
        NormConfig {
            pass: NormPass::Backward {
                masked: dropped.is_some(),
            },
            element,
        },
        in_two_dimensions(shape[0] as u32 + wide * slices as u32),
        &NormParams {
            mask: dropped.as_ref().map(|(_, _, mask)| *mask),
            ..params(&x)
        },
        &arrays,
    );
    let dropped_grad = dropped.map_or_else(|| x_grad.clone(), |(_, grad, _)| grad);
    (x_grad, dropped_grad, shares)
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

/// Returns the parameters common to all passes over a matrix.
fn params(matrix: &CubeTensor) -> NormParams {
    let shape = matrix.shape();
    NormParams {
        rows: shape[0] as u32,
        columns: shape[1] as u32,
        ..NormParams::default()
    }
}
