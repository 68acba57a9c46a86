//! A dense layer on rows: `y = x · W + b`, `W` stored `[in, out]` as TensorFlow stores kernels
//! (`tf.layers.dense`).

use burn::{
    Tensor,
    module::{Module, Param, ParamId},
    tensor::{DType, FloatDType},
};

use super::{
    arithmetic::Arithmetic,
    initialiser::Initialiser,
    parameter_gradients::ParameterGradients,
    parameters::{Error, ParameterSource, value},
};
use crate::kernels::{
    dense::{Weight, dense, layer::DenseLayer},
    matmul::MatmulTilings,
};

/// # Shapes
/// `[rows, in]` → `[rows, out]`
#[derive(Module, Debug)]
pub struct Dense {
    /// `[in, out]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Param<Tensor<1>>,
    /// The weight in f16, for rows in f16; without autodiff.
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

    /// Makes the f16 copy of the weight anew.
    pub fn refresh_f16_weight(&mut self) {
        self.half = Some(self.narrow_kernel());
    }

    /// The f16 copy of the weight and the weight's id. The layer is left without the copy, so that it
    /// can be written in place.
    pub fn take_f16_weight(&mut self) -> Option<(ParamId, Tensor<2>)> {
        Some((self.weight.id, self.half.take()?))
    }

    /// Puts the f16 copy of the weight back.
    pub fn put_f16_weight(&mut self, copy: Option<Tensor<2>>) {
        self.half = copy;
    }

    /// `[rows, in]` → `[rows, out]` in the format of the rows, f32 or f16.
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let half = self.half_for(rows.dtype()).map(|half| {
            if rows.is_autodiff() {
                half.autodiff()
            } else {
                half
            }
        });
        let kernel = Weight {
            master: self.weight.val(),
            half,
            tilings: self.tilings(rows.dtype()),
        };
        dense(rows, kernel, self.bias.val())
    }

    /// The layer without autodiff, for rows in this format.
    pub fn layer(&self, format: DType) -> DenseLayer {
        DenseLayer {
            kernel: self.half_for(format).unwrap_or_else(|| value(&self.weight)),
            bias: value(&self.bias),
            tilings: self.tilings(format),
        }
    }

    /// Adds the parameters' gradients, given the rows and the gradient of the result.
    pub fn add_gradients(
        &self,
        rows: Tensor<2>,
        grad: Tensor<2>,
        gradients: &mut ParameterGradients,
    ) {
        let layer = self.layer(rows.dtype());
        let (weight, bias) = layer.parameter_gradients(rows, grad);
        gradients.add(&self.weight, weight);
        gradients.add(&self.bias, bias);
    }

    /// The weight in f16 if the rows are.
    fn half_for(&self, format: DType) -> Option<Tensor<2>> {
        (format == DType::F16).then(|| self.half.clone().unwrap_or_else(|| self.narrow_kernel()))
    }

    fn narrow_kernel(&self) -> Tensor<2> {
        value(&self.weight).cast(FloatDType::F16)
    }

    fn tilings(&self, format: DType) -> MatmulTilings {
        match format {
            DType::F16 => self.arithmetic.half,
            _ => self.arithmetic.full,
        }
    }
}
