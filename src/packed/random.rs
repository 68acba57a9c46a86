//! Counter-based random bits: each value depends only on where it is used, not on earlier draws.
//!
//! A mask drawn this way can be redrawn in the backward pass, and does not change when a batch is
//! split, packed or resumed. The hash is pcg3d (Jarzynski and Olano, "Hash Functions for GPU
//! Rendering", JCGT 9(3), 2020); the shaders contain the same function.

/// Hashes three words to three.
#[inline(always)]
pub fn pcg3d([x, y, z]: [u32; 3]) -> [u32; 3] {
    let linear = |word: u32| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let cross = |[x, y, z]: [u32; 3]| {
        let x = x.wrapping_add(y.wrapping_mul(z));
        let y = y.wrapping_add(z.wrapping_mul(x));
        let z = z.wrapping_add(x.wrapping_mul(y));
        [x, y, z]
    };
    let mixed = cross([linear(x), linear(y), linear(z)]);
    cross(mixed.map(|word| word ^ (word >> 16)))
}

/// A dropout mask: keeps each value independently with the same probability and scales it to
/// preserve the mean.
///
/// A value is addressed by the mask's counter (one word per mask of a model and step), its row and
/// its column.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mask {
    pub counter: u32,
    /// Values whose hash is below this are kept.
    pub threshold: u32,
    /// Factor of a kept value.
    pub scale: f32,
}

impl Mask {
    /// Creates a mask that drops values with probability `rate`, `0 ≤ rate < 1`.
    pub fn new(counter: u32, rate: f64) -> Self {
        let keep = 1.0 - rate;
        Self {
            counter,
            // Rounds down to a multiple of 2⁻³²; a rate of 0 keeps all but one value in 2³².
            threshold: (keep * f64::from(u32::MAX)) as u32,
            scale: (1.0 / keep) as f32,
        }
    }

    /// Returns the factor of one value: `scale`, or 0 if it is dropped.
    #[inline(always)]
    pub fn factor(&self, row: u32, column: u32) -> f32 {
        if pcg3d([column, row, self.counter])[0] < self.threshold {
            self.scale
        } else {
            0.0
        }
    }
}

/// Returns the word that addresses a token in masks: the place of its sequence in the step's batch
/// and its position in the sequence, both below 2¹⁶.
#[inline(always)]
pub fn row_word(place: u32, position: u32) -> u32 {
    place << 16 | position & 0xffff
}

/// Returns the mask column of an attention probability: its head and the key's position.
#[inline(always)]
pub fn attention_column(head: u32, key: u32) -> u32 {
    head << 16 | key & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_dropped_and_the_mean_kept() {
        let mask = Mask::new(7, 0.1);
        let factors = (0..1000).flat_map(|row| (0..100).map(move |column| (row, column)));
        let factors: Vec<f32> = factors.map(|(r, c)| mask.factor(r, c)).collect();
        let dropped = factors.iter().filter(|&&factor| factor == 0.0).count();
        // Four standard deviations of a binomial proportion of a tenth of 100,000.
        assert!((9_620..10_380).contains(&dropped), "{dropped}");
        assert!(factors.iter().all(|&f| f == 0.0 || f == 1.0 / 0.9_f32));
    }

    #[test]
    fn neighbours_in_each_direction_are_independent() {
        let mask = Mask::new(3, 0.5);
        let kept = |counter, row, column| Mask { counter, ..mask }.factor(row, column) > 0.0;
        for (counter, row, column) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
            let equal = (0..10_000_u32)
                .filter(|place| {
                    let [r, c] = [place / 100, place % 100];
                    kept(3, r, c) == kept(3 + counter, r + row, c + column)
                })
                .count();
            // Four standard deviations around half of 10,000.
            assert!((4_800..5_200).contains(&equal), "{equal}");
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // Computed from the paper's listing with arbitrary-precision integers, modulo 2³².
        assert_eq!(
            pcg3d([0, 0, 0]),
            [2_611_992_518, 2_833_812_075, 1_058_359_340]
        );
        assert_eq!(
            pcg3d([1, 2, 3]),
            [4_204_755_366, 1_223_881_804, 1_500_469_937]
        );
    }
}
