//! Both moments of a value in one word, each in bfloat16: the first in its low half, the second in
//! its high half.
//!
//! They are rounded up with the probability of what is cut off and are right on the average. The
//! second moment moves by a thousandth of its way a step, half a unit of bfloat16 is a 512th: rounded
//! to the nearest it would stand still. What decides is a function of the run's seed, the step, the
//! parameter and the value's number in it ([`noise`]), so that a resumed run rounds as one that was
//! not stopped, and every device alike: `shaders/adam_bf16.wgsl` holds the same functions.

use crate::packed::random::pcg3d;

const HALF: u32 = 16;
const HIGH: u32 = 0xffff_0000;

/// First and second moment.
#[inline(always)]
pub fn unpack(word: u32) -> [f32; 2] {
    [word << HALF, word & HIGH].map(f32::from_bits)
}

/// The word of two moments, each of which is rounded up where `noise`, below 2¹⁶, and what is cut
/// off make a unit together. The moments are finite.
#[inline(always)]
pub fn pack([first, second]: [f32; 2], noise: [u32; 2]) -> u32 {
    let first = first.to_bits().wrapping_add(noise[0]) >> HALF;
    let second = second.to_bits().wrapping_add(noise[1]) & HIGH;
    first | second
}

/// What the two moments of value number `element` of a parameter are rounded by, each below 2¹⁶;
/// `rounding` are the parameter's words in this step.
#[inline(always)]
pub fn noise(element: u32, rounding: [u32; 2]) -> [u32; 2] {
    let [x, y, _] = pcg3d([element, rounding[0], rounding[1]]);
    [x >> HALF, y >> HALF]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bfloat16_holds_stays_whatever_the_noise() {
        for values in [
            [0.0, 0.0],
            [-0.0, 1.0],
            [-1.5, 3.0e-38],
            [2.0e30, 0.0078125],
        ] {
            let exact = values.map(|v: f32| f32::from_bits(v.to_bits() & HIGH));
            for noise in [0, 1, 0x8000, 0xffff] {
                let kept = unpack(pack(exact, [noise; 2]));
                assert_eq!(kept.map(f32::to_bits), exact.map(f32::to_bits));
            }
        }
    }

    #[test]
    fn over_all_noise_the_mean_is_the_value() {
        // Between two units, just below a power of two, negative, and the smallest normal value.
        for value in [1.003, 1.999_9, -0.123_456_7, 1.175_494_4e-38, 3.3e-12] {
            let sum: f64 = (0..1 << 16)
                .map(|noise| f64::from(unpack(pack([value, value.abs()], [noise; 2]))[0]))
                .sum();
            let mean = sum / f64::from(1 << 16);
            // Each of the 65,536 noises once: the mean is exact but for this sum's rounding.
            let off = (mean / f64::from(value) - 1.0).abs();
            assert!(off < 1e-12, "{value}: {mean}");
        }
    }

    #[test]
    fn a_small_change_a_step_is_followed() {
        // v ← 0.999 v: to the nearest, it would stay where it is.
        let mut words: Vec<u32> = (0..4_000).map(|_| pack([0.0, 1.0], [0; 2])).collect();
        for step in 0..1_000 {
            for (element, word) in words.iter_mut().enumerate() {
                let [m, v] = unpack(*word);
                *word = pack([m, v * 0.999], noise(element as u32, [step, 9]));
            }
        }
        let sum: f64 = words.iter().map(|word| f64::from(unpack(*word)[1])).sum();
        let (mean, exact) = (sum / words.len() as f64, 0.999_f64.powi(1_000));
        // A step moves the value by an eighth to a quarter of a unit, which is at most 2⁻⁷ of it: a
        // rounding deviates by at most 0.44 units or 3.4e-3, 1,000 of them by 0.11, the mean over
        // 4,000 values by 1.7e-3; four of these.
        assert!(
            (mean / exact - 1.0).abs() < 7e-3,
            "{mean} instead of {exact}"
        );
    }
}
