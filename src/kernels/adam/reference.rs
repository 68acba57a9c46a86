//! Adam in plain tensors.

use burn::backend::{Backend, tensor::FloatTensor};

use super::step::{BETA_1, BETA_2, EPSILON, F16Copy, Member, Step};

/// The step in plain tensors, with moments in f32. Those in bfloat16 and in eight bits are bits, which
/// plain tensors do not reach: their reference is the CPU's loop.
pub(super) fn reference<B: Backend>(
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
