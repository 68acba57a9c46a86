//! Gradients by parameter, summed over the parts of a batch.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
};

use crate::kernels::{
    layer_norm::shares::{AT_ONCE, NormShares},
    lookup::{Ids, add_by_id},
};

/// Sums of gradients, without autodiff.
#[derive(Default)]
pub struct ParameterGradients {
    sums: GradientsParams,
    /// Partial sums of γ and β gradients that wait to be reduced several at a time.
    waiting: Vec<([ParamId; 2], NormShares)>,
}

impl ParameterGradients {
    /// Adds to one parameter's gradient.
    pub fn add<const D: usize>(&mut self, parameter: &Param<Tensor<D>>, part: Tensor<D>) {
        self.add_to(parameter.id, part);
    }

    fn add_to<const D: usize>(&mut self, id: ParamId, part: Tensor<D>) {
        let sum = match self.sums.remove::<D>(id) {
            Some(whole) => whole + part,
            None => part,
        };
        self.sums.register(id, sum);
    }

    /// Adds the gradients of rows looked up in a table, `[ids, columns]`.
    pub fn add_rows(&mut self, table: &Param<Tensor<2>>, ids: Ids, rows: Tensor<2>) {
        let sum = match self.sums.remove::<2>(table.id) {
            Some(sum) => sum,
            None => Tensor::zeros(table.val().dims(), &rows.device()),
        };
        self.sums.register(table.id, add_by_id(sum, ids, rows));
    }

    /// Adds these partial sums to the gradients of γ and β.
    pub fn add_shares(&mut self, parameters: [&Param<Tensor<1>>; 2], shares: NormShares) {
        let ids = parameters.map(|parameter| parameter.id);
        self.waiting.push((ids, shares));
        if self.waiting.len() == AT_ONCE {
            self.sum_waiting();
        }
    }

    /// Adds the gradients of the parameters of `module`.
    pub fn add_all<M: Module>(&mut self, module: &M, part: GradientsParams) {
        struct Sum<'a> {
            whole: &'a mut ParameterGradients,
            part: GradientsParams,
        }
        impl ModuleVisitor for Sum<'_> {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                if let Some(part) = self.part.remove::<D>(parameter.id) {
                    self.whole.add(parameter, part);
                }
            }
        }
        module.visit(&mut Sum { whole: self, part });
    }

    /// Sets one parameter's gradient.
    pub fn put<const D: usize>(&mut self, id: ParamId, gradient: Tensor<D>) {
        self.sums.register(id, gradient);
    }

    pub fn get<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        self.sum_waiting();
        self.sums.get(id)
    }

    pub fn remove<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        self.sum_waiting();
        self.sums.remove(id)
    }

    /// Returns the sums in Burn's form.
    pub fn into_inner(mut self) -> GradientsParams {
        self.sum_waiting();
        self.sums
    }

    fn sum_waiting(&mut self) {
        let (ids, shares): (Vec<_>, Vec<_>) = self.waiting.drain(..).unzip();
        for (ids, sums) in ids.into_iter().zip(NormShares::sums(shares)) {
            for (id, sum) in ids.into_iter().zip(sums) {
                self.add_to(id, sum);
            }
        }
    }
}
