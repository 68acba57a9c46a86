//! What a step of Adam takes: its constants, and a parameter with its moments and gradient.

use burn::{
    backend::{
        Backend, ExtensionType,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::DType,
};

use crate::kernels::{formats::cast, group::group};

pub const BETA_1: f64 = 0.9;
pub const BETA_2: f64 = 0.999;
pub const EPSILON: f64 = 1e-6;

/// What differs from parameter to parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Learning rate, the layer's factor included.
    pub rate: f64,
    /// Weight decay; 0 spares the parameter.
    pub decay: f64,
    /// By what moments in bfloat16 or eight bits are rounded.
    pub rounding: [u32; 2],
}

/// The copy of a parameter in f16 that its matmuls take, `[elements]`; or none.
#[derive(ExtensionType)]
pub enum F16Copy<B: Backend> {
    None,
    Some(FloatTensor<B>),
}

impl<B: Backend> F16Copy<B> {
    /// The copy after `with`.
    pub(super) fn map<C: Backend>(
        self,
        with: impl FnOnce(FloatTensor<B>) -> FloatTensor<C>,
    ) -> F16Copy<C> {
        match self {
            Self::None => F16Copy::None,
            Self::Some(copy) => F16Copy::Some(with(copy)),
        }
    }

    /// That of a weight, if there was one.
    pub(super) fn of(self, weight: &FloatTensor<B>) -> Self {
        self.map(|_old| cast::<B>(weight.clone(), DType::F16))
    }
}

/// A parameter, its moments and its gradient, `[elements]` each; or none. The copy is written after
/// the weight.
#[derive(ExtensionType)]
pub enum Member<B: Backend> {
    Empty,
    F32 {
        weight: FloatTensor<B>,
        first: FloatTensor<B>,
        second: FloatTensor<B>,
        gradient: FloatTensor<B>,
        #[extension_type]
        copy: F16Copy<B>,
    },
    Bf16 {
        weight: FloatTensor<B>,
        /// [`packed_moments`](crate::kernels::adam::packed_moments) in u32.
        moments: IntTensor<B>,
        gradient: FloatTensor<B>,
        #[extension_type]
        copy: F16Copy<B>,
    },
    EightBit {
        weight: FloatTensor<B>,
        /// [`block_moments`](crate::kernels::adam::block_moments) in u32, `[words]`.
        moments: IntTensor<B>,
        gradient: FloatTensor<B>,
        #[extension_type]
        copy: F16Copy<B>,
    },
}

group! {
    /// Parameters that are updated at once.
    pub struct Members of Member
}
