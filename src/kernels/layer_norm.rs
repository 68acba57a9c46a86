//! Layer normalisation of rows on tensors, without autodiff.

pub mod backend;
pub mod config;
pub(super) mod gpu;
pub mod shares;

use burn::{Tensor, backend::Dispatch};

use self::{backend::LayerNormKernels, shares::NormShares};
use super::dropout::Dropped;

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
    /// Of γ and β.
    pub parameters: NormShares,
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
    let (x, masked, shares) = Dispatch::layer_norm_backward(
        state.x.into_dispatch(),
        state.moments.into_dispatch(),
        gamma.into_dispatch(),
        grad.into_dispatch(),
        dropped,
    );
    NormGradients {
        x: Tensor::from_dispatch(x),
        dropped: Tensor::from_dispatch(masked),
        parameters: NormShares(Tensor::from_dispatch(shares)),
    }
}
