//! Dropout, residual and layer normalisation on the GPU (`shaders/norm_*.wgsl`).

use burn::{
    backend::{
        TensorMetadata,
        ops::FloatTensorOps,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::Shape,
};

use super::{
    add_norm::Norm,
    launch::{self, Arrays, in_two_dimensions, like},
    shader::{Element, NormPass, Shader},
};

/// Threads of a workgroup, as the shaders have them.
const THREADS: u32 = 64;

type Three = (CubeTensor, CubeTensor, CubeTensor);

/// Result, sum and moments of `x`, `residual`, γ and β.
pub(super) fn forward(element: Element, inputs: [CubeTensor; 4], norm: &Norm) -> Three {
    let [x, residual, gamma, beta] = inputs.map(into_contiguous);
    let shape = x.shape();
    let (y, sum) = (
        like(&x, shape.clone(), element),
        like(&x, shape.clone(), element),
    );
    let moments = like(&gamma, Shape::new([shape[0], 2]), Element::F32);
    let shader = Shader::Norm(NormPass::Forward, element, norm.mask.is_some());
    launch(
        shader,
        Arrays {
            read: &[&x, &residual, &gamma, &beta],
            written: &[&sum, &y, &moments],
            ..Arrays::default()
        },
        in_two_dimensions(shape[0] as u32),
        Some(norm),
    );
    (y, sum, moments)
}

/// Gradients of the sum, γ and β, given sum, moments, γ and the result's gradient.
pub(super) fn backward(element: Element, inputs: [CubeTensor; 4]) -> Three {
    let [sum, moments, gamma, grad] = inputs.map(into_contiguous);
    let (shape, columns) = (sum.shape(), gamma.shape());
    let sum_grad = like(&sum, shape.clone(), element);
    launch(
        Shader::Norm(NormPass::Backward, element, false),
        Arrays {
            read: &[&sum, &moments, &gamma, &grad],
            written: &[&sum_grad],
            ..Arrays::default()
        },
        in_two_dimensions(shape[0] as u32),
        None,
    );
    let slices = shape[0].div_ceil(NormPass::SLICE);
    let shares = like(&gamma, Shape::new([2, slices, columns[0]]), Element::F32);
    launch(
        Shader::Norm(NormPass::Parameters, element, false),
        Arrays {
            read: &[&sum, &moments, &grad],
            written: &[&shares],
            ..Arrays::default()
        },
        [(columns[0] as u32).div_ceil(THREADS), slices as u32],
        None,
    );
    // [2, 1, columns]
    let parameters = CubeBackend::float_sum_dim(shares, 1);
    let parameters = CubeBackend::float_reshape(parameters, Shape::new([2, columns[0]]));
    let row = |number: usize| {
        let slices = [(number..number + 1).into(), (0..columns[0]).into()];
        CubeBackend::float_reshape(
            CubeBackend::float_slice(parameters.clone(), &slices),
            columns.clone(),
        )
    };
    (sum_grad, row(0), row(1))
}

fn launch(shader: Shader, arrays: Arrays, groups: [u32; 2], norm: Option<&Norm>) {
    let first = arrays.read[0];
    let shape = first.shape();
    let mask = norm.and_then(|norm| norm.mask);
    let (site, threshold, scale) =
        mask.map_or((0, 0, 0.0), |mask| (mask.site, mask.threshold, mask.scale));
    let epsilon = norm.map_or(0.0, |norm| norm.epsilon as f32);
    let header = [
        shape[0] as u32,
        shape[1] as u32,
        epsilon.to_bits(),
        site,
        threshold,
        scale.to_bits(),
    ];
    let words = norm.filter(|_| mask.is_some());
    let words = words
        .into_iter()
        .flat_map(|norm| norm.sequences.row_words());
    launch::launch(
        &first.client,
        shader,
        [THREADS, 1],
        groups,
        header.into_iter().chain(words),
        arrays,
    );
}
