//! Layer normalisation over the hidden axis with BERT's epsilon, 1e-12, inside the root.

use burn::{
    Tensor,
    module::{Module, Param},
    tensor::module::layer_norm,
};

use super::{
    initialiser::Initialiser,
    parameters::{Error, ParameterSource},
};

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

    /// `[rows, hidden]` → `[rows, hidden]`
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        layer_norm(rows, self.gamma.val(), Some(self.beta.val()), self.epsilon)
    }
}
