//! What a step of Adam takes: its constants, and a parameter with its moments and gradient.

use burn::backend::{
    Backend, ExtensionType,
    tensor::{FloatTensor, IntTensor},
};

use crate::kernels::group::group;

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
    /// By what moments in bfloat16 are rounded.
    pub rounding: [u32; 2],
}

/// A parameter, its moments and its gradient, `[elements]` each; or none.
#[derive(ExtensionType)]
pub enum Member<B: Backend> {
    Empty,
    F32 {
        weight: FloatTensor<B>,
        first: FloatTensor<B>,
        second: FloatTensor<B>,
        gradient: FloatTensor<B>,
    },
    Bf16 {
        weight: FloatTensor<B>,
        /// [`packed_moments`](crate::kernels::adam::packed_moments) in u32.
        moments: IntTensor<B>,
        gradient: FloatTensor<B>,
    },
}

group! {
    /// Parameters that are updated at once.
    pub struct Members of Member
}
