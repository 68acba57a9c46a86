//! One step of ELECTRA's Adam on many parameters, in place and in one pass over each.
//!
//! `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − rate · (m / (√v + ε) + decay · w)`: no
//! bias correction, epsilon outside the root, decoupled weight decay (the reference's
//! `AdamWeightDecayOptimizer`). In plain tensors the word table of a large model needs six more
//! of its size while it is updated; here none.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, ExtensionType, Flex, TensorMetadata, backend_extension,
        tensor::FloatTensor, wgpu::CubeBackend,
    },
};
use pulp::Arch;

use super::{
    adam_shaders,
    group::{GROUP, group},
};

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
}

/// A parameter, its moments and its gradient, `[elements]` each in f32; or none.
#[derive(ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum Member<B: Backend> {
    Empty,
    Parameter {
        weight: FloatTensor<B>,
        first: FloatTensor<B>,
        second: FloatTensor<B>,
        gradient: FloatTensor<B>,
    },
}

group! {
    /// Parameters that are updated at once.
    pub struct Members of Member
}

/// Adam as a backend operation; `clip_factor` `[1]` scales the gradients, and `steps` has one for
/// each parameter. Returns the parameters with weights and moments updated.
#[backend_extension(Cube, Flex, Fusion: cfg(feature = "fusion"))]
pub trait AdamOps: Backend {
    #[fusion(meta = |parameters, _factor, _steps| parameters.clone())]
    fn adam_steps(
        #[extension_type] parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self> {
        let members = parameters.members().into_iter().zip(steps);
        Members::of(members.map(|(member, step)| twin::<Self>(member, clip_factor.clone(), step)))
    }
}

/// The step in plain tensors.
fn twin<B: Backend>(member: Member<B>, clip_factor: FloatTensor<B>, step: Step) -> Member<B> {
    let Member::Parameter {
        weight,
        first,
        second,
        gradient,
    } = member
    else {
        return member;
    };
    let times = |tensor, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let clipped = B::float_mul(gradient.clone(), clip_factor);
    let square = B::float_mul(clipped.clone(), clipped.clone());
    let second = B::float_add(times(second, BETA_2), times(square, 1.0 - BETA_2));
    let first = B::float_add(times(first, BETA_1), times(clipped, 1.0 - BETA_1));
    let root = B::float_add_scalar(B::float_sqrt(second.clone()), EPSILON.into());
    let update = B::float_div(first.clone(), root);
    let update = B::float_add(update, times(weight.clone(), step.decay));
    let weight = B::float_sub(weight, times(update, step.rate));
    Member::Parameter {
        weight,
        first,
        second,
        gradient,
    }
}

impl AdamOps for Flex {
    fn adam_steps(
        parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self> {
        let members = parameters.members().into_iter().zip(steps);
        Members::of(members.map(|(member, step)| on_the_cpu(member, &clip_factor, step)))
    }
}

/// The step as one loop.
fn on_the_cpu(member: Member<Flex>, clip_factor: &FloatTensor<Flex>, step: Step) -> Member<Flex> {
    let Member::Parameter {
        weight,
        first,
        second,
        gradient,
    } = member
    else {
        return member;
    };
    let gradient = gradient.to_contiguous();
    let [mut weight, mut first, mut second] = [weight, first, second].map(whole);
    let (Some(g), Some(&[factor])) = (gradient.as_slice::<f32>(), clip_factor.as_slice::<f32>())
    else {
        let member = Member::Parameter {
            weight,
            first,
            second,
            gradient,
        };
        return twin::<Flex>(member, clip_factor.clone(), step);
    };
    let (w, m, v) = (
        weight.storage_mut::<f32>(),
        first.storage_mut::<f32>(),
        second.storage_mut::<f32>(),
    );
    let [rate, decay] = [step.rate as f32, step.decay as f32];
    let [beta_1, rest_1] = [BETA_1 as f32, (1.0 - BETA_1) as f32];
    let [beta_2, rest_2] = [BETA_2 as f32, (1.0 - BETA_2) as f32];
    Arch::new().dispatch(|| {
        for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(g) {
            let g = g * factor;
            *m = *m * beta_1 + g * rest_1;
            *v = *v * beta_2 + g * g * rest_2;
            *w -= (*m / (v.sqrt() + EPSILON as f32) + *w * decay) * rate;
        }
    });
    Member::Parameter {
        weight,
        first,
        second,
        gradient,
    }
}

/// A tensor whose storage is its values and nothing else, in order.
fn whole(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
    let tensor = tensor.to_contiguous();
    let values = tensor.shape().num_elements();
    if tensor.storage::<f32>().len() == values {
        return tensor;
    }
    FloatTensor::<Flex>::from_data(tensor.into_data())
}

impl AdamOps for CubeBackend {
    fn adam_steps(
        parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self> {
        Members::of(adam_shaders::update(
            parameters.members(),
            &clip_factor,
            &steps,
        ))
    }
}

/// A parameter on its way through a step, `[elements]` each, outside any graph.
pub struct Parameter {
    pub weight: Tensor<1>,
    /// First and second.
    pub moments: [Tensor<1>; 2],
    pub gradient: Tensor<1>,
    pub step: Step,
}

/// One step of every parameter: the new weights and moments, in the same order. A gradient is let
/// go of as soon as its group is updated.
pub fn adam_steps(
    parameters: Vec<Parameter>,
    clip_factor: Tensor<1>,
) -> Vec<(Tensor<1>, [Tensor<1>; 2])> {
    let mut updated = Vec::with_capacity(parameters.len());
    let mut parameters = parameters.into_iter();
    while parameters.len() > 0 {
        let (members, steps): (Vec<_>, _) = parameters
            .by_ref()
            .take(GROUP)
            .map(|parameter| {
                let [first, second] = parameter.moments.map(Tensor::into_dispatch);
                let member = Member::Parameter {
                    weight: parameter.weight.into_dispatch(),
                    first,
                    second,
                    gradient: parameter.gradient.into_dispatch(),
                };
                (member, parameter.step)
            })
            .unzip();
        let clip_factor = clip_factor.clone().into_dispatch();
        let members = Dispatch::adam_steps(Members::of(members), clip_factor, steps);
        updated.extend(members.members().into_iter().filter_map(|member| {
            let Member::Parameter {
                weight,
                first,
                second,
                gradient: _,
            } = member
            else {
                return None;
            };
            let [weight, first, second] = [weight, first, second].map(Tensor::from_dispatch);
            Some((weight, [first, second]))
        }));
    }
    updated
}
