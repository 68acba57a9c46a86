//! Copies of dense layers' weights in f16, which the optimiser writes beside the weights themselves.

use std::collections::HashMap;

use burn::{
    Tensor,
    module::{Module, ParamId},
};

/// A model whose dense layers may keep such copies.
pub trait HalfWeights: Module {
    /// Takes the copies out, by the weights' ids; none if the layers compute in f32.
    fn take_f16_weights(&mut self) -> HashMap<ParamId, Tensor<2>>;

    /// Puts the copies of the weights as they are now back. Whatever else is made of the weights is
    /// made anew.
    fn put_f16_weights(&mut self, copies: HashMap<ParamId, Tensor<2>>);
}
