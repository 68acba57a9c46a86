//! A dense layer on rows: `y = x · W + b`, with `W` stored `[in, out]` as TensorFlow stores kernels
//! (`tf.layers.dense`).

use std::sync::Arc;

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
    dense::{
        Weight, dense, layer::DenseLayer, packed_kernel::PackedKernel, products::DenseProducts,
    },
    matmul::MatmulTilings,
};

/// A dense layer and how it computes.
///
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
    /// The weight packed for bf16 matmuls.
    #[module(skip)]
    packed: Option<Arc<PackedKernel>>,
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
                packed: None,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// Marks a layer outside the encoder's layers: its rows and matmuls stay f32 even if theirs use
    /// bf16.
    pub fn without_bf16(mut self) -> Self {
        self.arithmetic.bf16 = None;
        self
    }

    /// Recomputes the f16 copy of the weight.
    pub fn refresh_f16_weight(&mut self) {
        self.half = Some(self.narrow_kernel());
    }

    /// Takes the f16 copy of the weight, with the weight's id, out of the layer, so that it can be
    /// written in place.
    pub fn take_f16_weight(&mut self) -> Option<(ParamId, Tensor<2>)> {
        Some((self.weight.id, self.half.take()?))
    }

    /// Puts the f16 copy of the weight back.
    pub fn put_f16_weight(&mut self, copy: Option<Tensor<2>>) {
        self.half = copy;
    }

    /// Starts keeping the weight packed for bf16 matmuls, if there are any, or invalidates what is
    /// kept. Must be called whenever the weight changes.
    pub fn renew_packed(&mut self) {
        match self.packed.as_mut().and_then(Arc::get_mut) {
            Some(packed) => packed.renew(),
            None => self.packed = self.arithmetic.packed_kernel(),
        }
    }

    /// Applies the layer, `[rows, in]` → `[rows, out]` in the format of the rows, f32 or f16; rows
    /// in f32 are never multiplied in bf16 here.
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
            products: self.tilings(rows.dtype()).into(),
        };
        dense(rows, kernel, self.bias.val())
    }

    /// Returns the layer without autodiff, for rows in this format; within the encoder's layers it
    /// multiplies in bf16 if they do.
    pub fn layer(&self, format: DType) -> DenseLayer {
        DenseLayer {
            kernel: self.half_for(format).unwrap_or_else(|| value(&self.weight)),
            bias: value(&self.bias),
            products: DenseProducts {
                tilings: self.tilings(format),
                packed: self.packed(),
            },
        }
    }

    /// Accumulates the parameters' gradients, given the rows and the gradient of the result.
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

    /// Returns the weight in f16 if the rows are in f16.
    fn half_for(&self, format: DType) -> Option<Tensor<2>> {
        (format == DType::F16).then(|| self.half.clone().unwrap_or_else(|| self.narrow_kernel()))
    }

    /// Returns the packed weight if the layers multiply in bf16.
    fn packed(&self) -> Option<Arc<PackedKernel>> {
        let kept = self.packed.clone();
        kept.or_else(|| self.arithmetic.packed_kernel())
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
