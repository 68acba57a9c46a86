//! One step of ELECTRA's Adam on many parameters, in place and in one pass over each.
//!
//! `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − rate · (m / (√v + ε) + decay · w)`: no
//! bias correction, epsilon outside the root, decoupled weight decay (the reference's
//! `AdamWeightDecayOptimizer`). In plain tensors the word table of a large model needs six more
//! of its size while it is updated; here none.

pub mod gpu;
pub mod packed_moments;
mod step;

use self::packed_moments::{noise, pack, unpack};
pub use self::step::{BETA_1, BETA_2, EPSILON, F16Copy, Member, Members, Step};
use super::{
    cpu_loops::{BLOCK, each, values, whole},
    formats::cast,
    group::GROUP,
};
use crate::config::OptimizerMoments;
use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, backend_extension,
        tensor::{FloatTensor, IntTensor},
        wgpu::CubeBackend,
    },
    tensor::{DType, Device, Int},
};

/// Adam as a backend operation; `clip_factor` `[1]` scales the gradients, and `steps` has one for
/// each parameter. Returns the parameters with weights and moments updated.
#[backend_extension(Cube, Flex)]
pub trait AdamOps: Backend {
    fn adam_steps(
        #[extension_type] parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self>;
}

/// The step in plain tensors, with moments in f32. Those in bfloat16 are bits, which plain tensors
/// do not reach: their reference is the CPU's loop.
fn reference<B: Backend>(
    [weight, first, second, gradient]: [FloatTensor<B>; 4],
    copy: F16Copy<B>,
    clip_factor: FloatTensor<B>,
    step: Step,
) -> Member<B> {
    let times = |tensor, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let clipped = B::float_mul(gradient.clone(), clip_factor);
    let square = B::float_mul(clipped.clone(), clipped.clone());
    let second = B::float_add(times(second, BETA_2), times(square, 1.0 - BETA_2));
    let first = B::float_add(times(first, BETA_1), times(clipped, 1.0 - BETA_1));
    let root = B::float_add_scalar(B::float_sqrt(second.clone()), EPSILON.into());
    let update = B::float_div(first.clone(), root);
    let update = B::float_add(update, times(weight.clone(), step.decay));
    let weight = B::float_sub(weight, times(update, step.rate));
    Member::F32 {
        copy: copy.of(&weight),
        weight,
        first,
        second,
        gradient,
    }
}

impl<B: Backend> F16Copy<B> {
    /// That of a weight, if there was one.
    fn of(self, weight: &FloatTensor<B>) -> Self {
        self.map(|_old| cast::<B>(weight.clone(), DType::F16))
    }
}

impl AdamOps for Flex {
    fn adam_steps(
        parameters: Members<Self>,
        clip_factor: FloatTensor<Self>,
        steps: Vec<Step>,
    ) -> Members<Self> {
        let members = parameters.members().into_iter().zip(steps);
        Members::of(members.map(|(member, step)| match member {
            Member::Empty => Member::Empty,
            Member::F32 {
                weight,
                first,
                second,
                gradient,
                copy,
            } => on_the_cpu([weight, first, second, gradient], copy, &clip_factor, step),
            Member::Bf16 {
                weight,
                moments,
                gradient,
                copy,
            } => packed_on_the_cpu([weight, gradient], moments, copy, &clip_factor, step),
        }))
    }
}

/// What the CPU's loops take besides a parameter's values.
#[derive(Clone, Copy)]
struct Figures {
    factor: f32,
    rate: f32,
    decay: f32,
}

impl Figures {
    fn new(factor: f32, step: Step) -> Self {
        Self {
            factor,
            rate: step.rate as f32,
            decay: step.decay as f32,
        }
    }

    /// Weight and moments of a value after the step.
    #[inline(always)]
    fn step(self, [w, m, v, g]: [f32; 4]) -> [f32; 3] {
        const BETAS: [f32; 2] = [BETA_1 as f32, BETA_2 as f32];
        const RESTS: [f32; 2] = [(1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32];
        let g = g * self.factor;
        let m = m * BETAS[0] + g * RESTS[0];
        let v = v * BETAS[1] + g * g * RESTS[1];
        let update = m / (v.sqrt() + EPSILON as f32) + w * self.decay;
        [w - update * self.rate, m, v]
    }
}

/// The step as one loop.
fn on_the_cpu(
    [weight, first, second, gradient]: [FloatTensor<Flex>; 4],
    copy: F16Copy<Flex>,
    clip_factor: &FloatTensor<Flex>,
    step: Step,
) -> Member<Flex> {
    let gradient = gradient.to_contiguous();
    let [mut weight, mut first, mut second] = [weight, first, second].map(whole);
    let (Some(g), Some(&[factor])) = (gradient.as_slice::<f32>(), clip_factor.as_slice::<f32>())
    else {
        let tensors = [weight, first, second, gradient];
        return reference::<Flex>(tensors, copy, clip_factor.clone(), step);
    };
    let (w, m, v) = (
        weight.storage_mut::<f32>(),
        first.storage_mut::<f32>(),
        second.storage_mut::<f32>(),
    );
    let figures = Figures::new(factor, step);
    let blocks = w
        .chunks_mut(BLOCK)
        .zip(m.chunks_mut(BLOCK))
        .zip(v.chunks_mut(BLOCK))
        .zip(g.chunks(BLOCK));
    each(
        blocks,
        #[inline(always)]
        |(((w, m), v), g)| {
            for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(g) {
                [*w, *m, *v] = figures.step([*w, *m, *v, *g]);
            }
        },
    );
    Member::F32 {
        copy: copy.of(&weight),
        weight,
        first,
        second,
        gradient,
    }
}

/// The same with moments in bfloat16.
fn packed_on_the_cpu(
    [weight, gradient]: [FloatTensor<Flex>; 2],
    moments: IntTensor<Flex>,
    copy: F16Copy<Flex>,
    clip_factor: &FloatTensor<Flex>,
    step: Step,
) -> Member<Flex> {
    let gradient = gradient.to_contiguous();
    let (mut weight, mut moments) = (whole(weight), whole(moments));
    let (w, words) = (weight.storage_mut::<f32>(), moments.storage_mut::<u32>());
    let (g, factor) = (values(&gradient), values(clip_factor)[0]);
    let figures = Figures::new(factor, step);
    let blocks = w
        .chunks_mut(BLOCK)
        .zip(words.chunks_mut(BLOCK))
        .zip(g.chunks(BLOCK));
    each(
        blocks.enumerate(),
        #[inline(always)]
        |(block, ((w, words), g))| {
            for (element, ((w, word), g)) in w.iter_mut().zip(words).zip(g).enumerate() {
                let [m, v] = unpack(*word);
                let [weight, m, v] = figures.step([*w, m, v, *g]);
                *w = weight;
                let element = (block * BLOCK + element) as u32;
                *word = pack([m, v], noise(element, step.rounding));
            }
        },
    );
    Member::Bf16 {
        copy: copy.of(&weight),
        weight,
        moments,
        gradient,
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
#[expect(clippy::large_enum_variant, reason = "a run has moments of one format")]
pub enum Moments {
    /// `[elements]` each.
    F32([Tensor<1>; 2]),
    /// Both of a value in a word, `[elements]` in u32 ([`packed_moments`](super::packed_moments)).
    Bf16(Tensor<1, Int>),
}

impl Moments {
    /// Those before the first step.
    pub fn zeros(format: OptimizerMoments, elements: usize, device: &Device) -> Self {
        match format {
            OptimizerMoments::F32 => Self::F32([(); 2].map(|()| Tensor::zeros([elements], device))),
            OptimizerMoments::Bf16 => Self::Bf16(Tensor::zeros([elements], (device, DType::U32))),
        }
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
/// gradient is let go of as soon as its group is updated.
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
