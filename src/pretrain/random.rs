//! Counter-based random numbers: what is drawn for an example depends only on the seed and the example, so
//! that work can be divided, interrupted and repeated.

use crate::packed::random::pcg3d;

/// What numbers are for; each purpose has its own.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// The order of a corpus' files.
    Files = 1,
    /// The split of an example into segments.
    Cuts = 2,
    /// The order of an epoch.
    Epoch = 3,
    /// The masked positions of an example in a step.
    Masks = 4,
    /// The tokens that the generator puts there.
    Samples = 5,
}

/// A stream of numbers for one place.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 3],
    drawn: u32,
}

impl Stream {
    /// The stream for the place `(a, b)`.
    pub fn new(seed: u64, purpose: Purpose, a: u64, b: u64) -> Self {
        let halves = |word: u64| [word as u32, (word >> 32) as u32];
        let [low, high] = halves(seed);
        let mut key = pcg3d([low, high, purpose as u32]);
        for word in [a, b] {
            let [low, high] = halves(word);
            key = pcg3d([key[0] ^ low, key[1] ^ high, key[2]]);
        }
        Self { key, drawn: 0 }
    }

    fn bits(&mut self) -> u64 {
        let [x, y, z] = self.key;
        let [low, high, _] = pcg3d([x, y, z.wrapping_add(self.drawn)]);
        self.drawn = self.drawn.wrapping_add(1);
        u64::from(high) << 32 | u64::from(low)
    }

    /// Uniform in [0, 1), in steps of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform below `count`, which must not be 0; the bias is 2⁻⁶⁴ · `count`.
    pub fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(count)) >> 64) as u64
    }

    /// Shuffles a list (Fisher–Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_uniform_and_those_of_neighbours_independent() {
        let numbers = |a, b| {
            let mut stream = Stream::new(7, Purpose::Cuts, a, b);
            [stream.uniform(), stream.uniform()]
        };
        let count = 20_000;
        let drawn: Vec<[f64; 2]> = (0..count).map(|n| numbers(n / 100, n % 100)).collect();
        let mean = |value: &dyn Fn(usize) -> f64| {
            (0..drawn.len()).map(value).sum::<f64>() / drawn.len() as f64
        };
        // Five standard deviations of a mean of 20,000: 0.289 of one number, 0.083 of a product.
        for place in [0, 1] {
            let found = mean(&|n| drawn[n][place]);
            assert!((found - 0.5).abs() < 0.0103, "{found}");
            let along = mean(&|n| (drawn[n][place] - 0.5) * (drawn[(n + 1) % 20_000][place] - 0.5));
            assert!(along.abs() < 0.003, "{along}");
        }
        let within = mean(&|n| (drawn[n][0] - 0.5) * (drawn[n][1] - 0.5));
        assert!(within.abs() < 0.003, "{within}");
        assert_ne!(numbers(0, 1), numbers(1, 0));
        assert_ne!(numbers(1 << 32, 0), numbers(1, 0));
    }

    #[test]
    fn a_shuffled_list_keeps_its_items_and_every_order_comes() {
        let mut seen = std::collections::BTreeMap::new();
        for seed in 0..600 {
            let mut list = [0, 1, 2];
            Stream::new(seed, Purpose::Files, 0, 0).shuffle(&mut list);
            *seen.entry(list).or_insert(0) += 1;
        }
        // 100 each, within five standard deviations of a binomial (9.1).
        assert_eq!(seen.len(), 6);
        assert!(
            seen.values().all(|count| (54..146).contains(count)),
            "{seen:?}"
        );
    }
}
