//! A dense layer on rows: `y = x · W + b`, `W` stored `[in, out]` as TensorFlow stores kernels.

use burn::{
    Tensor,
    module::{Module, Param},
    tensor::{DType, FloatDType},
};

use super::{
    arithmetic::Arithmetic,
    initialiser::Initialiser,
    parameters::{Error, ParameterSource},
};
use crate::kernels::dense::{Kernel, dense};

#[derive(Module, Debug)]
pub struct Dense {
    /// `[in, out]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Param<Tensor<1>>,
    /// The kernel in f16, for rows in f16; outside any graph.
    #[module(skip)]
    half: Option<Tensor<2>>,
    #[module(skip)]
    arithmetic: Arithmetic,
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
                half: None,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// Makes the f16 copy of the kernel as it is now.
    pub fn halve(&mut self) {
        self.half = Some(self.weight.val().inner().cast(FloatDType::F16));
    }

    /// `[rows, in]` → `[rows, out]` in the format of the rows, f32 or f16.
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let (half, products) = match rows.dtype() {
            DType::F16 => {
                let half = self.half.clone();
                let half = half.unwrap_or_else(|| weight.clone().inner().cast(FloatDType::F16));
                let half = if rows.is_autodiff() {
                    half.autodiff()
                } else {
                    half
                };
                (Some(half), self.arithmetic.half)
            }
            _ => (None, self.arithmetic.full),
        };
        let kernel = Kernel {
            master: weight,
            half,
            products,
        };
        dense(rows, kernel, self.bias.val())
    }
}
