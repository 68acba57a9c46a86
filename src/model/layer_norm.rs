//! Layer normalisation over the hidden axis with BERT's epsilon, 1e-12, inside the root.

use burn::{
    Tensor,
    module::{Module, Param},
};

use super::{
    initialiser::Initialiser,
    packing::Sequences,
    parameters::{Error, ParameterSource},
    random::Mask,
};
use crate::kernels::add_norm::{Norm, add_norm};

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

    /// `LN(dropout(x) + residual)`, `[tokens, hidden]` each; without a mask nothing is dropped.
    pub fn forward(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        sequences: &Sequences,
        mask: Option<Mask>,
    ) -> Tensor<2> {
        let norm = Norm {
            epsilon: self.epsilon,
            sequences: sequences.clone(),
            mask,
        };
        add_norm(x, residual, self.gamma.val(), self.beta.val(), norm)
    }
}
