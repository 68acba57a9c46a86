//! Copies of dense layers' weights in f16, which the optimiser writes beside the weights themselves.

use std::collections::HashMap;

use burn::{
    Tensor,
    module::{Module, ParamId},
};

use super::dense::Dense;

/// A model whose dense layers may keep such copies.
pub trait HalfWeights: Module {
    /// The layers that keep one; none if they compute in f32.
    fn f16_denses(&mut self) -> impl Iterator<Item = &mut Dense>;

    /// Makes anew whatever else is made of the weights.
    fn renew(&mut self);

    /// Takes the copies out, by the weights' ids.
    fn take_f16_weights(&mut self) -> HashMap<ParamId, Tensor<2>> {
        self.f16_denses()
            .filter_map(Dense::take_f16_weight)
            .collect()
    }

    /// Puts the copies of the weights as they are now back, and makes anew what else is made of them.
    fn put_f16_weights(&mut self, mut copies: HashMap<ParamId, Tensor<2>>) {
        for dense in self.f16_denses() {
            let id = dense.weight.id;
            dense.put_f16_weight(copies.remove(&id));
        }
        self.renew();
    }
}
