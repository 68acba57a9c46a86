//! One step of ELECTRA's Adam on many parameters, in place and in one pass over each.
//!
//! `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − rate · (m / (√v + ε) + decay · w)`: no
//! bias correction, epsilon outside the root, decoupled weight decay (the reference's
//! `AdamWeightDecayOptimizer`). In plain tensors the word table of a large model needs six more
//! of its size while it is updated; here none.

pub mod block_moments;
mod cpu;
pub mod gpu;
pub mod packed_moments;
mod reference;
mod step;

pub use self::step::{BETA_1, BETA_2, EPSILON, F16Copy, Member, Members, Step};
use super::group::GROUP;
use crate::config::OptimizerMoments;
use burn::{
    Tensor,
    backend::{Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor, wgpu::CubeBackend},
    tensor::{DType, Device, Int},
};

/// Adam as a backend operation; `clip_factor` `[1]` scales the gradients, and `steps` has one for
/// each parameter. Returns the parameters with weights and moments updated; as they are if the factor
/// is below 0, [`LEFT_OUT`](super::clip::LEFT_OUT).
#[backend_extension(Cube, Flex)]
pub trait AdamOps: Backend {
    fn adam_steps(
        #[extension_type] parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self>;
}

impl AdamOps for Flex {
    fn adam_steps(
        parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self> {
        if matches!(clip_factor.as_slice::<f32>(), Some(&[factor]) if factor < 0.0) {
            return parameters;
        }
        let members = parameters.members().into_iter().zip(steps);
        Members::of(members.map(|(member, step)| match member {
            Member::Empty => Member::Empty,
            Member::F32 {
                weight,
                first,
                second,
                gradient,
                copy,
            } => cpu::update([weight, first, second, gradient], copy, &clip_factor, step),
            Member::Bf16 {
                weight,
                moments,
                gradient,
                copy,
            } => cpu::update_packed([weight, gradient], moments, copy, &clip_factor, step),
            Member::EightBit {
                weight,
                moments,
                gradient,
                copy,
            } => cpu::update_blocks([weight, gradient], moments, copy, &clip_factor, step),
        }))
    }
}

impl AdamOps for CubeBackend {
    fn adam_steps(
        parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self> {
        Members::of(gpu::update(parameters.members(), &clip_factor, &steps))
    }
}

/// First and second moment of a parameter's values.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a model has some hundreds")]
pub enum Moments {
    /// `[elements]` each.
    F32([Tensor<1>; 2]),
    /// Both of a value in a word, `[elements]` in u32 ([`packed_moments`]).
    Bf16(Tensor<1, Int>),
    /// Blocks of codes, `[words]` in u32 ([`block_moments`]), of values whose number is a multiple of
    /// four.
    EightBit(Tensor<1, Int>),
}

impl Moments {
    /// Those before the first step; in f32 where values in eight bits do not come in fours.
    pub fn zeros(format: OptimizerMoments, elements: usize, device: &Device) -> Self {
        let words = |count: usize| Tensor::<1, Int>::zeros([count], (device, DType::U32));
        match format {
            OptimizerMoments::Bf16 => Self::Bf16(words(elements)),
            OptimizerMoments::EightBit if elements.is_multiple_of(4) => {
                Self::EightBit(words(block_moments::words(elements)))
            }
            OptimizerMoments::F32 | OptimizerMoments::EightBit => {
                Self::F32([(); 2].map(|()| Tensor::zeros([elements], device)))
            }
        }
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> u64 {
        let values = match self {
            Self::F32([first, second]) => first.dims()[0] + second.dims()[0],
            Self::Bf16(words) | Self::EightBit(words) => words.dims()[0],
        };
        // Of f32 or u32.
        4 * values as u64
    }
}

/// A parameter on its way through a step, `[elements]` each, without autodiff.
pub struct Parameter {
    pub weight: Tensor<1>,
    pub moments: Moments,
    pub gradient: Tensor<1>,
    /// The weight in f16, if matmuls take it so.
    pub copy: Option<Tensor<1>>,
    pub step: Step,
}

/// A parameter after a step, `[elements]` each.
pub struct Updated {
    pub weight: Tensor<1>,
    pub moments: Moments,
    /// Of the new weight, if there was one of the old.
    pub copy: Option<Tensor<1>>,
}

impl Parameter {
    fn into_member(self) -> (Member<Dispatch>, Step) {
        let weight = self.weight.into_dispatch();
        let gradient = self.gradient.into_dispatch();
        let copy = match self.copy {
            None => F16Copy::None,
            Some(copy) => F16Copy::Some(copy.into_dispatch()),
        };
        let member = match self.moments {
            Moments::F32([first, second]) => Member::F32 {
                weight,
                first: first.into_dispatch(),
                second: second.into_dispatch(),
                gradient,
                copy,
            },
            Moments::Bf16(moments) => Member::Bf16 {
                weight,
                moments: moments.into_dispatch(),
                gradient,
                copy,
            },
            Moments::EightBit(moments) => Member::EightBit {
                weight,
                moments: moments.into_dispatch(),
                gradient,
                copy,
            },
        };
        (member, self.step)
    }
}

impl Member<Dispatch> {
    /// Without its gradient.
    fn into_updated(self) -> Option<Updated> {
        let (weight, moments, copy) = match self {
            Self::Empty => return None,
            Self::F32 {
                weight,
                first,
                second,
                copy,
                ..
            } => {
                let moments = [first, second].map(Tensor::from_dispatch);
                (weight, Moments::F32(moments), copy)
            }
            Self::Bf16 {
                weight,
                moments,
                copy,
                ..
            } => (weight, Moments::Bf16(Tensor::from_dispatch(moments)), copy),
            Self::EightBit {
                weight,
                moments,
                copy,
                ..
            } => {
                let moments = Moments::EightBit(Tensor::from_dispatch(moments));
                (weight, moments, copy)
            }
        };
        Some(Updated {
            weight: Tensor::from_dispatch(weight),
            moments,
            copy: match copy {
                F16Copy::None => None,
                F16Copy::Some(copy) => Some(Tensor::from_dispatch(copy)),
            },
        })
    }
}

/// One step of every parameter, its gradient scaled by `clip_factor` `[1]`; in the same order. A
/// gradient is let go of as soon as its group is updated. A factor below 0 leaves everything as it is.
pub fn adam_steps(parameters: Vec<Parameter>, clip_factor: Tensor<1>) -> Vec<Updated> {
    let mut updated = Vec::with_capacity(parameters.len());
    let mut parameters = parameters.into_iter();
    while parameters.len() > 0 {
        let group = parameters.by_ref().take(GROUP);
        let (members, steps): (Vec<_>, _) = group.map(Parameter::into_member).unzip();
        let clip_factor = clip_factor.clone().into_dispatch();
        let members = Dispatch::adam_steps(Members::of(members), clip_factor, steps);
        let members = members.members().into_iter();
        updated.extend(members.filter_map(Member::into_updated));
    }
    updated
}
