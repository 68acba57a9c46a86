//! Gradients by parameter, summed over the parts of a batch.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
};

/// Sums of gradients, without autodiff.
#[derive(Default)]
pub struct ParameterGradients(GradientsParams);

impl ParameterGradients {
    /// Adds to one parameter's gradient.
    pub fn add<const D: usize>(&mut self, parameter: &Param<Tensor<D>>, part: Tensor<D>) {
        let sum = match self.0.remove::<D>(parameter.id) {
            Some(whole) => whole + part,
            None => part,
        };
        self.0.register(parameter.id, sum);
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

    pub fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        self.0.get(id)
    }

    pub fn remove<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        self.0.remove(id)
    }

    /// The sums as Burn holds them.
    pub fn into_inner(self) -> GradientsParams {
        self.0
    }
}
