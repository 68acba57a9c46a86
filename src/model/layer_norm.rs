//! Layer normalisation over the hidden axis with BERT's epsilon, 1e-12, inside the square root.
//!
//! Reproduces `layer_norm`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L392-L395>

use burn::{
    Tensor,
    module::{Module, Param},
};

use super::{
    initialiser::Initialiser,
    parameter_gradients::ParameterGradients,
    parameters::{Error, ParameterSource, value},
};
use crate::kernels::{
    dropout::Dropped,
    layer_norm::{LayerNormState, layer_norm_backward, layer_norm_with_state},
};

/// Layer normalisation with its parameters.
///
/// # Shapes
/// `[tokens, hidden]` → `[tokens, hidden]`
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[hidden]`
    pub gamma: Param<Tensor<1>>,
    /// `[hidden]`
    pub beta: Param<Tensor<1>>,
    pub epsilon: f64,
}

impl LayerNorm {
    pub fn new(source: &mut ParameterSource, size: usize, epsilon: f64) -> Result<Self, Error> {
        source.within("layer_norm", |source| {
            Ok(Self {
                gamma: source.parameter("gamma", [size], Initialiser::Ones)?,
                beta: source.parameter("beta", [size], Initialiser::Zeros)?,
                epsilon,
            })
        })
    }

    /// Normalises `[tokens, hidden]` rows without autodiff; also returns the state for the backward
    /// pass.
    pub fn forward_with_state(&self, x: Tensor<2>) -> (Tensor<2>, LayerNormState) {
        layer_norm_with_state(x, value(&self.gamma), value(&self.beta), self.epsilon)
    }

    /// Returns the gradient of `x`, given the result's, and the same with the dropout mask applied,
    /// for a dropped-out summand of `x`; accumulates the parameters' gradients.
    pub fn backward(
        &self,
        state: LayerNormState,
        grad: Tensor<2>,
        dropped: Option<Dropped>,
        gradients: &mut ParameterGradients,
    ) -> (Tensor<2>, Tensor<2>) {
        let grads = layer_norm_backward(state, value(&self.gamma), grad, dropped);
        gradients.add_shares([&self.gamma, &self.beta], grads.parameters);
        (grads.x, grads.dropped)
    }
}
