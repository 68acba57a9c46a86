//! The order of the examples in an epoch: a permutation of any size that is a function of seed and epoch, and
//! takes no memory.
//!
//! A Feistel network permutes the numbers of an even number of bits. A number beyond the count is permuted
//! again until it is within (cycle walking): at most four rounds on average.

use super::random::{Purpose, Stream};
use crate::packed::random::pcg3d;

/// Enough rounds for the order to look random.
const ROUNDS: usize = 6;

/// The order of one epoch.
#[derive(Debug, Clone)]
pub struct EpochOrder {
    count: u64,
    /// Bits of each half of a number.
    bits: u32,
    keys: [[u32; 2]; ROUNDS],
}

impl EpochOrder {
    /// The order of the given epoch, among `count` examples.
    pub fn new(seed: u64, epoch: u64, count: u64) -> Self {
        let mut stream = Stream::new(seed, Purpose::Epoch, epoch, 0);
        let mut word = || stream.below(1 << 32) as u32;
        let keys = std::array::from_fn(|_| [word(), word()]);
        let bits = 64 - count.saturating_sub(1).leading_zeros();
        Self {
            count,
            bits: bits.div_ceil(2).max(1),
            keys,
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The example at a position in the epoch; both are below the count.
    pub fn at(&self, place: u64) -> u64 {
        let mut number = place;
        loop {
            number = self.permuted(number);
            if number < self.count || place >= self.count {
                return number.min(self.count.saturating_sub(1));
            }
        }
    }

    fn permuted(&self, number: u64) -> u64 {
        let mask = (1_u64 << self.bits) - 1;
        let (mut left, mut right) = (number >> self.bits & mask, number & mask);
        for [a, b] in self.keys {
            let [word, ..] = pcg3d([right as u32, a, b]);
            (left, right) = (right, left ^ u64::from(word) & mask);
        }
        left << self.bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_comes_once() {
        for count in (1..70).chain([255, 256, 257, 1000, 65_537]) {
            for epoch in 0..3 {
                let order = EpochOrder::new(1, epoch, count);
                let mut seen = vec![false; count as usize];
                for place in 0..count {
                    let example = order.at(place) as usize;
                    assert!(!std::mem::replace(&mut seen[example], true), "{count}");
                }
            }
        }
    }

    #[test]
    fn every_order_comes_about_as_often() {
        let mut seen = std::collections::BTreeMap::new();
        for epoch in 0..2400 {
            let order = EpochOrder::new(3, epoch, 4);
            let order: Vec<u64> = (0..4).map(|place| order.at(place)).collect();
            *seen.entry(order).or_insert(0) += 1;
        }
        // 24 orders, 100 each, within five standard deviations of a binomial (9.8).
        assert_eq!(seen.len(), 24);
        assert!(
            seen.values().all(|count| (51..149).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn neighbours_do_not_stay_together() {
        let count = 100_000;
        let order = EpochOrder::new(5, 0, count);
        let near = (1..count)
            .filter(|&place| order.at(place).abs_diff(order.at(place - 1)) <= 100)
            .count();
        // A share of 2 · 100 / count: 200 pairs, within five standard deviations (14).
        assert!((129..271).contains(&near), "{near}");
        // Billions need no memory, and the numbers go beyond 32 bits.
        let large = EpochOrder::new(5, 1, 10_000_000_000);
        let beyond = (0..1000)
            .filter(|&place| large.at(place) >= 1 << 32)
            .count();
        // 57 %, within five standard deviations (15.7).
        assert!((492..649).contains(&beyond), "{beyond}");
    }
}
