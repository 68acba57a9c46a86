//! Adam on the CPU: one loop over a parameter, whatever its moments are stored in.

use burn::backend::{
    Flex,
    flex::FlexTensor,
    tensor::{FloatTensor, IntTensor},
};

use super::{
    block_moments::{self, BLOCK_WORDS},
    packed_moments::{noise, pack, unpack},
    reference::reference,
    step::{BETA_1, BETA_2, EPSILON, F16Copy, Member, Step},
};
use crate::kernels::cpu_loops::{BLOCK, each, values, whole};

/// What the loops take besides a parameter's values.
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
pub(super) fn update(
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

/// Has `update` write weights and moments in words in place, given the gradient; returns the three.
fn in_place(
    [weight, gradient]: [FloatTensor<Flex>; 2],
    moments: IntTensor<Flex>,
    clip_factor: &FloatTensor<Flex>,
    step: Step,
    update: impl FnOnce(Figures, &mut [f32], &mut [u32], &[f32]),
) -> [FlexTensor; 3] {
    let gradient = gradient.to_contiguous();
    let (mut weight, mut moments) = (whole(weight), whole(moments));
    update(
        Figures::new(values(clip_factor)[0], step),
        weight.storage_mut::<f32>(),
        moments.storage_mut::<u32>(),
        values(&gradient),
    );
    [weight, moments, gradient]
}

/// The same with moments in bfloat16.
pub(super) fn update_packed(
    parameter: [FloatTensor<Flex>; 2],
    moments: IntTensor<Flex>,
    copy: F16Copy<Flex>,
    clip_factor: &FloatTensor<Flex>,
    step: Step,
) -> Member<Flex> {
    let update = |figures: Figures, w: &mut [f32], words: &mut [u32], g: &[f32]| {
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
    };
    let [weight, moments, gradient] = in_place(parameter, moments, clip_factor, step, update);
    Member::Bf16 {
        copy: copy.of(&weight),
        weight,
        moments,
        gradient,
    }
}

/// The same with moments in eight bits.
pub(super) fn update_blocks(
    parameter: [FloatTensor<Flex>; 2],
    moments: IntTensor<Flex>,
    copy: F16Copy<Flex>,
    clip_factor: &FloatTensor<Flex>,
    step: Step,
) -> Member<Flex> {
    const BLOCKS: usize = BLOCK / block_moments::BLOCK;
    let update = |figures: Figures, w: &mut [f32], words: &mut [u32], g: &[f32]| {
        let parts = w
            .chunks_mut(BLOCK)
            .zip(words.chunks_mut(BLOCKS * BLOCK_WORDS))
            .zip(g.chunks(BLOCK));
        each(
            parts.enumerate(),
            #[inline(always)]
            |(part, ((w, words), g))| {
                let blocks = w
                    .chunks_mut(block_moments::BLOCK)
                    .zip(words.chunks_mut(BLOCK_WORDS))
                    .zip(g.chunks(block_moments::BLOCK));
                for (block, ((w, words), g)) in blocks.enumerate() {
                    let mut moments = [[0.0_f32; block_moments::BLOCK]; 2];
                    let [m, v] = moments.each_mut().map(|moment| &mut moment[..w.len()]);
                    block_moments::unpack(words, [&mut *m, &mut *v]);
                    for (((w, m), v), g) in w.iter_mut().zip(&mut *m).zip(&mut *v).zip(g) {
                        [*w, *m, *v] = figures.step([*w, *m, *v, *g]);
                    }
                    let first = (part * BLOCKS + block) * block_moments::BLOCK;
                    let noise = |element: usize| {
                        block_moments::noise((first + element) as u32, step.rounding)
                    };
                    block_moments::pack([m, v], noise, words);
                }
            },
        );
    };
    let [weight, moments, gradient] = in_place(parameter, moments, clip_factor, step, update);
    Member::EightBit {
        copy: copy.of(&weight),
        weight,
        moments,
        gradient,
    }
}
