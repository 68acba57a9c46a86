//! f16 copies of dense layers' weights, which the optimiser writes along with the weights
//! themselves.

use std::collections::HashMap;

use burn::{
    Tensor,
    module::{Module, ParamId},
};

use super::dense::Dense;

/// A model whose dense layers may keep f16 copies of their weights.
pub trait HalfWeights: Module {
    /// Iterates over the layers that keep a copy; none if they compute in f32.
    fn f16_denses(&mut self) -> impl Iterator<Item = &mut Dense>;

    /// Recomputes everything else that is derived from the weights.
    fn renew(&mut self);

    /// Takes the copies out, keyed by the weights' ids.
    fn take_f16_weights(&mut self) -> HashMap<ParamId, Tensor<2>> {
        self.f16_denses()
            .filter_map(Dense::take_f16_weight)
            .collect()
    }

    /// Puts back copies of the current weights and recomputes everything else derived from them.
    fn put_f16_weights(&mut self, mut copies: HashMap<ParamId, Tensor<2>>) {
        for dense in self.f16_denses() {
            let id = dense.weight.id;
            dense.put_f16_weight(copies.remove(&id));
        }
        self.renew();
    }
}
