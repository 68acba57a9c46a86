//! Layer normalisation of rows on tensors: as a differentiable operation, and without autodiff.

pub mod backend;
pub mod config;
pub(super) mod gpu;

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension, tensor::FloatTensor, wgpu::CubeBackend,
    },
};

use super::{autodiff::with_gradient, dropout::Dropped, layer_norm::backend::LayerNormKernels};

/// The normalisation as a differentiable operation.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait LayerNormOps: Backend {
    /// LayerNormState rows of `x` `[rows, columns]`, in its format; γ and β are `[columns]` in f32.
    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
}

macro_rules! without_a_graph {
    ($($backend:ty),*) => {$(
        impl LayerNormOps for $backend {
            fn layer_norm(
                x: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                epsilon: f64,
            ) -> FloatTensor<Self> {
                Self::layer_norm_with_state(x, gamma, beta, epsilon).0
            }
        }
    )*};
}

without_a_graph!(Flex, CubeBackend);

impl<B: LayerNormOps + LayerNormKernels, C: CheckpointStrategy> LayerNormOps for Autodiff<B, C> {
    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.into_primitive());
        let (y, moments) = B::layer_norm_with_state(x.clone(), gamma.clone(), beta, epsilon);
        with_gradient::<B, C, _, _>(
            nodes,
            y,
            || [x, moments, gamma],
            |[x, moments, gamma], grad, _| {
                let (x, _, gamma, beta) = B::layer_norm_backward(x, moments, gamma, grad, None);
                [x, gamma, beta].map(Some)
            },
        )
    }
}

/// LayerNormState rows `[rows, columns]`, differentiable in `x`, γ and β; γ and β are `[columns]`.
pub fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::layer_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    ))
}

/// Rows and their normalisation's moments, without autodiff: what its backward pass needs.
#[derive(Debug, Clone)]
pub struct LayerNormState {
    /// The rows before the normalisation, `[rows, columns]`.
    pub x: Tensor<2>,
    /// `[rows, 2]`
    pub moments: Tensor<2>,
}

/// Gradients of a normalisation.
#[derive(Debug, Clone)]
pub struct NormGradients {
    /// `[rows, columns]`
    pub x: Tensor<2>,
    /// The same with the values dropped that were dropped from a part of `x`.
    pub dropped: Tensor<2>,
    /// `[columns]`
    pub gamma: Tensor<1>,
    /// `[columns]`
    pub beta: Tensor<1>,
}

/// LayerNormState rows, `[rows, columns]`, without autodiff; γ and β are `[columns]`.
pub fn layer_norm_with_state(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> (Tensor<2>, LayerNormState) {
    let (y, moments) = Dispatch::layer_norm_with_state(
        x.clone().into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    );
    let moments = Tensor::from_dispatch(moments);
    (Tensor::from_dispatch(y), LayerNormState { x, moments })
}

/// Gradients of a normalisation, given its result's, `[rows, columns]`; γ is `[columns]`.
pub fn layer_norm_backward(
    state: LayerNormState,
    gamma: Tensor<1>,
    grad: Tensor<2>,
    dropped: Option<Dropped>,
) -> NormGradients {
    let (x, masked, gamma, beta) = Dispatch::layer_norm_backward(
        state.x.into_dispatch(),
        state.moments.into_dispatch(),
        gamma.into_dispatch(),
        grad.into_dispatch(),
        dropped,
    );
    NormGradients {
        x: Tensor::from_dispatch(x),
        dropped: Tensor::from_dispatch(masked),
        gamma: Tensor::from_dispatch(gamma),
        beta: Tensor::from_dispatch(beta),
    }
}
