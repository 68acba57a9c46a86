//! Both moments of a value in eight bits each, by blocks of 1,024 values.
//!
//! A code counts steps above the block's floor, eight to a factor of two: it is the front of an f32,
//! whose last bits are cut off and whose exponent is counted from the floor's. Code 0 is the value 0.
//!
//! | | code | over | down to |
//! |---|---|---|---|
//! | first moment | sign and 7 bits | 16 octaves | 2⁻¹⁵ of the block's greatest, or so |
//! | second moment | 8 bits | 32 octaves | 2⁻³¹, as the square of a first one |
//!
//! The floor is a power of two below the block's greatest value, so that coding is exact in integers,
//! without a table or a division, and every device codes alike. Dettmers et al. (8-bit Optimizers via
//! Block-wise Quantization, 2021) have finer steps near the greatest value and coarser ones below. Adam
//! divides one moment by the root of the other, value by value, so that here they are all as fine.
//!
//! Values are rounded up with the probability of what is cut off, as in
//! [`packed_moments`](super::packed_moments), and for the same reason: the second moment moves by a
//! thousandth of its way a step, and half a step of these codes is a sixteenth to a thirty-second of it.
//! To the nearest it would stand still in most steps and be moved by large gradients alone. A second
//! moment that is not 0 does not become 0: one below the first code takes that code. Adam would divide
//! by epsilon alone.
//!
//! `shaders/adam_8bit.wgsl` holds the same functions.

use crate::packed::random::pcg3d;

/// Values of a block.
pub const BLOCK: usize = 1_024;

/// Words of a whole block: its two floors, then two words for each four values, the codes of their
/// first moments and those of their second.
pub const BLOCK_WORDS: usize = 2 + BLOCK / 2;

/// Last bits of an f32 that are cut off: all but three of its fraction.
const CUT: u32 = 20;

/// Bits of an f32's fraction.
const FRACTION: u32 = 23;

const SIGN: u32 = 1 << 31;

/// Powers of two that the codes of a first and of a second moment reach over.
const OCTAVES: [u32; 2] = [16, 32];

/// The sign of a first moment in its code.
const NEGATIVE: u32 = 0x80;

/// Words that hold the moments of so many values.
pub const fn words(elements: usize) -> usize {
    2 * (elements.div_ceil(BLOCK) + elements.div_ceil(4))
}

/// The moments of a block of `first.len()` values.
#[inline(always)]
pub fn unpack(words: &[u32], [first, second]: [&mut [f32]; 2]) {
    let mut codes = [[0_u8; BLOCK]; 2];
    for (place, pair) in words[2..].chunks_exact(2).enumerate() {
        for (codes, word) in codes.iter_mut().zip(pair) {
            codes[4 * place..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }
    for (value, &code) in first.iter_mut().zip(&codes[0]) {
        let code = u32::from(code);
        let sign = (code & NEGATIVE) << 24;
        *value = f32::from_bits(size(code & !NEGATIVE, words[0]) | sign);
    }
    for (value, &code) in second.iter_mut().zip(&codes[1]) {
        *value = f32::from_bits(size(u32::from(code), words[1]));
    }
}

/// Stores a block's moments; `noise` tells by what those of its value number so-and-so are rounded.
/// They are finite.
#[inline(always)]
pub fn pack([first, second]: [&[f32]; 2], noise: impl Fn(usize) -> [u32; 2], words: &mut [u32]) {
    let floors = [floor(first, OCTAVES[0]), floor(second, OCTAVES[1])];
    let mut codes = [[0_u8; BLOCK]; 2];
    let [firsts, seconds] = &mut codes;
    let values = first.iter().zip(second).zip(firsts.iter_mut().zip(seconds));
    for (element, ((first, second), (first_code, second_code))) in values.enumerate() {
        let noise = noise(element);
        let [first, second] = [first, second].map(|value| value.to_bits());
        let sign = (first & SIGN) >> 24;
        *first_code = (code(first & !SIGN, noise[0], floors[0]) | sign) as u8;
        // Never 0 unless it is.
        let least = u32::from(second & !SIGN != 0);
        *second_code = code(second & !SIGN, noise[1], floors[1]).max(least) as u8;
    }
    words[..2].copy_from_slice(&floors);
    for (place, pair) in words[2..].chunks_exact_mut(2).enumerate() {
        for (codes, word) in codes.iter().zip(pair) {
            let four = &codes[4 * place..][..4];
            *word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        }
    }
}

/// What the moments of value number `element` of a parameter are rounded by, each below 2²⁰;
/// `rounding` are the parameter's words in this step.
#[inline(always)]
pub fn noise(element: u32, rounding: [u32; 2]) -> [u32; 2] {
    let [x, y, _] = pcg3d([element, rounding[0], rounding[1]]);
    [x, y].map(|word| word >> (32 - CUT))
}

/// The bits of the value that lies as many octaves below the greatest as codes reach over. They end
/// above where that may be rounded up to, and begin above the smallest normal number.
#[inline(always)]
fn floor(values: &[f32], octaves: u32) -> u32 {
    let sizes = values.iter().map(|value| value.to_bits() & !SIGN);
    let greatest = sizes.fold(0, u32::max);
    let highest = greatest.saturating_add((1 << CUT) - 1) >> FRACTION;
    (highest.max(octaves) - (octaves - 1)) << FRACTION
}

/// The bits, without sign, that a code without one stands for.
#[inline(always)]
fn size(code: u32, floor: u32) -> u32 {
    match code {
        0 => 0,
        _ => floor.wrapping_add(code << CUT),
    }
}

/// The code of bits without sign; `noise` is below 2²⁰.
#[inline(always)]
fn code(size: u32, noise: u32, floor: u32) -> u32 {
    size.saturating_add(noise).saturating_sub(floor) >> CUT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of these moments, rounded by the same noise.
    fn packed(first: &[f32], second: &[f32], noise: u32) -> Vec<u32> {
        let mut block = vec![0; words(first.len())];
        pack([first, second], |_| [noise; 2], &mut block);
        block
    }

    fn unpacked(words: &[u32], count: usize) -> [Vec<f32>; 2] {
        let mut moments = [vec![0.0; count], vec![0.0; count]];
        let [first, second] = &mut moments;
        unpack(words, [first, second]);
        moments
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn codes_count_eighths_of_octaves_above_the_floors() {
        // 0.3 is 1.2 quarters: a quarter and 1.6 of its eighths, between codes 105 and 106.
        let moments = [[1.0, -0.5, 0.0, 0.3], [1.0, 0.25, 0.0, 1e-20]];
        // The floors are 2⁻¹⁵ and 2⁻³¹; 1 is 15 and 31 octaves above, 120 and 248 codes.
        let block = packed(&moments[0], &moments[1], 0);
        let floors = [0x3800_0000, 0x3000_0000];
        assert_eq!(block, [floors[0], floors[1], 0x6900_f078, 0x0100_e8f8]);
        let least = 1.125 * 2.0_f32.powi(-31);
        let kept = [vec![1.0, -0.5, 0.0, 0.281_25], vec![1.0, 0.25, 0.0, least]];
        assert_eq!(unpacked(&block, 4), kept);
        // With the most noise only what lies between two codes is rounded up.
        let block = packed(&moments[0], &moments[1], (1 << CUT) - 1);
        assert_eq!(block, [floors[0], floors[1], 0x6a00_f078, 0x0100_e8f8]);
        assert_eq!(unpacked(&block, 4)[0][3], 0.312_5);
    }

    #[test]
    fn the_greatest_may_be_rounded_into_the_next_octave() {
        for (noise, kept) in [(0, 1.875), ((1 << CUT) - 1, 2.0)] {
            let block = packed(&[-1.9, 0.0, 0.0, 0.0], &[1.9, 0.0, 0.0, 0.0], noise);
            assert_eq!(block[..2], [0x3880_0000, 0x3080_0000]);
            let moments = unpacked(&block, 4);
            assert_eq!([moments[0][0], moments[1][0]], [-kept, kept]);
        }
    }

    #[test]
    fn what_codes_hold_stays_whatever_the_noise() {
        // Every code of both.
        let mut block = vec![0x3800_0000, 0x3000_0000];
        for four in 0..64_u32 {
            let codes = (4 * four) * 0x0101_0101 + 0x0302_0100;
            block.extend([codes, codes]);
        }
        let moments = unpacked(&block, 256);
        for noise in [0, 1, 1 << (CUT - 1), (1 << CUT) - 1] {
            assert_eq!(packed(&moments[0], &moments[1], noise), block);
        }
        assert_eq!(bits(&moments[0])[0x80], SIGN, "a zero keeps its sign");
        assert_eq!(moments[0][0x7f], 1.875);
        assert_eq!(moments[1][0xff], 1.875);
        assert!(moments[1].is_sorted() && moments[1][1] > moments[1][0]);
    }

    #[test]
    fn zeros_and_the_least_and_greatest_numbers_are_kept() {
        let zeros = unpacked(&packed(&[0.0; 4], &[0.0; 4], 0), 4);
        assert_eq!(zeros, [vec![0.0; 4], vec![0.0; 4]]);
        assert_eq!(unpacked(&[0; 4], 4), zeros, "before the first step");
        // Below the normal numbers there is no code: a first moment is lost, a second one is not.
        let tiny = unpacked(&packed(&[1e-40; 4], &[1e-40; 4], 0), 4);
        assert_eq!(tiny, [vec![0.0; 4], vec![1.125 * f32::MIN_POSITIVE; 4]]);
        // Within an eighth, and nothing of what is beside it.
        let block = packed(&[3e38, 1e30, 0.0, 0.0], &[1e-37, 3e38, 0.0, 0.0], 0);
        let [first, second] = unpacked(&block, 4);
        let most = 1.75 * 2.0_f32.powi(127);
        assert_eq!(first, [most, 0.0, 0.0, 0.0]);
        assert_eq!(second, [1.125 * 2.0_f32.powi(96), most, 0.0, 0.0]);
        let block = packed(&[f32::INFINITY, 0.0], &[f32::NAN, 0.0], 0);
        let [first, second] = unpacked(&block, 2);
        assert!(first[0] == f32::INFINITY && second[0].is_nan());
    }

    #[test]
    fn over_all_noise_the_mean_is_the_value() {
        let floor = floor(&[2.0], OCTAVES[1]);
        // Between two codes, just below a power of two, in a low octave.
        for value in [1.003_f32, 1.999_9, 0.123_456_7, 3.3e-7] {
            let sum: f64 = (0..1 << CUT)
                .map(|noise| size(code(value.to_bits(), noise, floor), floor))
                .map(|bits| f64::from(f32::from_bits(bits)))
                .sum();
            let mean = sum / f64::from(1 << CUT);
            // Each of the 1,048,576 noises once: the mean is exact but for this sum's rounding.
            let off = (mean / f64::from(value) - 1.0).abs();
            assert!(off < 1e-9, "{value}: {mean}");
        }
    }

    #[test]
    fn a_small_change_a_step_is_followed() {
        // v ← 0.999 v beside a greatest value that stays: to the nearest, it would stand still.
        const BLOCKS: usize = 4;
        let half = 1 << (CUT - 1);
        let nearest = |value: f32| code(value.to_bits(), half, floor(&[1.0], OCTAVES[1]));
        assert_eq!(nearest(0.999 * 0.5), nearest(0.5));
        let first = [0.0; BLOCK];
        let mut second = [0.5; BLOCK];
        second[0] = 1.0;
        let mut blocks = vec![packed(&first, &second, 0); BLOCKS];
        for step in 0..1_000 {
            for (number, words) in blocks.iter_mut().enumerate() {
                let [first, mut second] = unpacked(words, BLOCK);
                second[1..].iter_mut().for_each(|v| *v *= 0.999);
                let noise = |element: usize| noise((number * BLOCK + element) as u32, [step, 9]);
                pack([&first, &second], noise, words);
            }
        }
        let (mut sum, mut count) = (0.0, 0);
        for words in &blocks {
            for &value in &unpacked(words, BLOCK)[1][1..] {
                sum += f64::from(value);
                count += 1;
            }
        }
        let (mean, exact) = (sum / f64::from(count), 0.5 * 0.999_f64.powi(1_000));
        // On the way down to 0.37 a value takes some eleven steps of a sixteenth to an eighth, at
        // random: a deviation of at most 0.4 of it, the mean over 4,092 values one of 6e-3; four of
        // these.
        assert!(
            (mean / exact - 1.0).abs() < 2.5e-2,
            "{mean} instead of {exact}"
        );
    }
}
