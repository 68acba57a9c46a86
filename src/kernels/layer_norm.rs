//! Layer normalisation of rows, on tensors without autodiff.

pub mod backend;
pub mod config;
pub(super) mod gpu;
pub mod shares;

use burn::{Tensor, backend::Dispatch};

use self::{backend::LayerNormKernels, shares::NormShares};
use super::dropout::Dropped;

/// What the backward pass needs: the rows and their moments, without autodiff.
#[derive(Debug, Clone)]
pub struct LayerNormState {
    /// The rows before normalisation, `[rows, columns]`.
    pub x: Tensor<2>,
    /// Mean and inverse standard deviation of each row, `[rows, 2]`.
    pub moments: Tensor<2>,
}

/// Gradients of a layer normalisation.
#[derive(Debug, Clone)]
pub struct NormGradients {
    /// Gradient of the input, `[rows, columns]`.
    pub x: Tensor<2>,
    /// Same as `x`, with the dropout mask of the input's dropped summand applied.
    pub dropped: Tensor<2>,
    /// Of γ and β.
    pub parameters: NormShares,
}

/// Normalises rows, `[rows, columns]`, without autodiff; γ and β are `[columns]`.
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

/// Returns the gradients of a normalisation, given its result's, `[rows, columns]`; γ is
/// `[columns]`.
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
