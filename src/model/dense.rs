//! A dense layer on rows: `y = x · W + b`, `W` stored `[in, out]` as TensorFlow stores kernels.

use burn::{
    Tensor,
    module::{Module, Param},
    tensor::module::linear,
};

use super::{
    initialiser::Initialiser,
    parameters::{Error, ParameterSource},
};

#[derive(Module, Debug)]
pub struct Dense {
    /// `[in, out]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Param<Tensor<1>>,
}

impl Dense {
    pub fn new(
        source: &mut ParameterSource,
        name: &str,
        [input, output]: [usize; 2],
        kernel: Initialiser,
    ) -> Result<Self, Error> {
        source.within(name, |source| {
            Ok(Self {
                weight: source.parameter("weight", [input, output], kernel)?,
                bias: source.parameter("bias", [output], Initialiser::Zeros)?,
            })
        })
    }

    /// `[rows, in]` → `[rows, out]`
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        linear(rows, self.weight.val(), Some(self.bias.val()))
    }
}
