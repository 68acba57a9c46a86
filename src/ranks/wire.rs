//! The number format in which ranks exchange values.

use burn::tensor::bf16;

/// The format of exchanged values, which each rank has in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    F32,
    /// Each value is rounded before it is sent. One rank adds those of all in f32, and rounds the sum.
    Bf16,
}

impl Wire {
    /// Bytes of so many values.
    pub fn bytes(self, values: usize) -> usize {
        match self {
            Wire::F32 => 4 * values,
            Wire::Bf16 => 2 * values,
        }
    }
}

/// The bits of the nearest bf16; of two, the even one. NaN stays NaN.
pub(super) fn rounded(value: f32) -> u16 {
    bf16::from_f32(value).to_bits()
}

/// The value of a bf16's bits.
pub(super) fn widened(bits: u16) -> f32 {
    bf16::from_bits(bits).to_f32()
}

/// Adds parts of `each` rounded values in their order, and rounds the sums. The part of rank `number` is
/// `own`, which it has not had to round; beyond its end there is nothing to add.
pub(super) fn sums_of(parts: &[u16], each: usize, number: usize, own: &[f32]) -> Vec<u16> {
    let mut sums = vec![0.0; each];
    for (rank, part) in parts.chunks_exact(each).enumerate() {
        match rank == number {
            true => sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own),
            false => {
                for (sum, &bits) in sums.iter_mut().zip(part) {
                    *sum += widened(bits);
                }
            }
        }
    }
    sums.into_iter().map(rounded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rounded: Vec<u16>) -> Vec<f32> {
        rounded.into_iter().map(widened).collect()
    }

    #[test]
    fn values_are_rounded_to_the_nearest_and_halves_to_even() {
        // A bf16 near 1 has steps of 2⁻⁷.
        let step = 1.0 / 128.0;
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 0.4 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 0.6 * step, 1.0 + step),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 1.5 * step, -1.0 - 2.0 * step),
            (0.0, 0.0),
            // Beyond the range of f16.
            (3e38, f32::from_bits(0x7f62_0000)),
            (1e-38, f32::from_bits(0x006d_0000)),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ] {
            assert_eq!(widened(rounded(value)), expected, "{value}");
        }
        assert!(widened(rounded(f32::NAN)).is_nan());
    }

    #[test]
    fn sums_are_rounded_once_and_the_own_part_not_before() {
        let step = 1.0 / 128.0;
        let parts = [1.0, 2.0, 0.25 * step, 9.0, 1.0, -2.0].map(rounded);
        // Rank 1 has 0.3 of a step and nothing more: what it has received as its own part is not read.
        let sums = sums_of(&parts, 2, 1, &[0.3 * step]);
        assert_eq!(values(sums), [2.0, 0.0]);
        // 2 and 1.3 steps of 2⁻⁷ are 2 and 0.65 of a step of 2⁻⁶.
        let sums = sums_of(&parts, 2, 1, &[1.3 * step, 0.0]);
        assert_eq!(values(sums), [2.0 + 2.0 * step, 0.0]);
    }

    #[test]
    fn many_small_parts_are_not_lost_beside_a_great_one() {
        // In bf16, 256 + 1 is 256: 64 additions would change nothing.
        let mut parts = vec![rounded(256.0)];
        parts.extend(vec![rounded(1.0); 64]);
        let sums = sums_of(&parts, 1, 0, &[256.0]);
        assert_eq!(widened(sums[0]), 320.0);
    }

    #[test]
    fn a_value_takes_four_bytes_or_two() {
        assert_eq!([Wire::F32, Wire::Bf16].map(|wire| wire.bytes(3)), [12, 6]);
    }
}
