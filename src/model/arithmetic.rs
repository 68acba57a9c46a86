//! In which number formats a model computes, and with which products.

use burn::{
    Tensor,
    tensor::{DType, FloatDType},
};

use crate::kernels::{product::Products, shader::Element};

/// How a model computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arithmetic {
    /// Format of the layers' hidden states and of the operands of their products. Sums, weights,
    /// layer norms, softmaxes and losses are f32 in both formats.
    pub layers: Element,
    /// Products of f32 operands.
    pub full: Products,
    /// Products of f16 operands.
    pub half: Products,
}

impl Arithmetic {
    /// Hidden states in the format of the encoder's layers.
    pub fn narrow(self, hidden: Tensor<2>) -> Tensor<2> {
        match self.layers {
            Element::F32 => hidden,
            Element::F16 => hidden.cast(FloatDType::F16),
        }
    }

    /// Hidden states in f32, as the heads take them.
    pub fn widen(self, hidden: Tensor<2>) -> Tensor<2> {
        match hidden.dtype() {
            DType::F32 => hidden,
            _ => hidden.cast(FloatDType::F32),
        }
    }
}
