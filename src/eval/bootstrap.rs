//! The paired bootstrap: how much of the difference between two runs' metrics may be chance.
//!
//! Examples are drawn with replacement, as many as there are and the same for both runs, and the
//! metrics of the whole sample are recomputed from each draw. The interval lies between percentiles
//! of the differences.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rayon::prelude::*;
use serde::Serialize;

use super::judged::Judged;

/// Settings of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bootstrap {
    pub resamples: usize,
    pub seed: u64,
    /// Share of the differences inside the interval.
    pub confidence: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 10_000,
            seed: 1,
            confidence: 0.95,
        }
    }
}

/// The central interval of the differences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    /// Samples whose metric is undefined, such as the correlation of constant values; they are left
    /// out.
    pub undefined: usize,
}

impl Interval {
    /// Returns whether 0 is outside.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// Computes the interval of differences in any order; `None` if none of them is a number.
    fn of(differences: impl Iterator<Item = f64>, confidence: f64) -> Option<Self> {
        let all: Vec<f64> = differences.collect();
        let mut numbers: Vec<f64> = all.iter().copied().filter(|d| d.is_finite()).collect();
        numbers.sort_by(f64::total_cmp);
        let outside = (1.0 - confidence) / 2.0;
        Some(Self {
            low: quantile(&numbers, outside)?,
            high: quantile(&numbers, 1.0 - outside)?,
            undefined: all.len() - numbers.len(),
        })
    }
}

impl Bootstrap {
    /// Returns, for the keys that both have, the interval of the metrics of `b` minus those of `a`.
    ///
    /// # Panics
    /// If they have different numbers of examples.
    pub fn intervals(&self, a: &Judged, b: &Judged) -> Vec<(&'static str, Option<Interval>)> {
        let examples = a.len();
        assert_eq!(examples, b.len(), "answers to compare");
        let keys: Vec<(&str, usize, usize)> = a
            .keys()
            .enumerate()
            .filter_map(|(in_a, key)| Some((key, in_a, b.keys().position(|other| other == key)?)))
            .collect();
        if examples == 0 {
            return keys.into_iter().map(|(key, ..)| (key, None)).collect();
        }
        let resamples = 0..self.resamples as u64;
        let differences: Vec<Vec<f64>> = resamples
            .into_par_iter()
            .map_init(
                || vec![0_u32; examples],
                |counts, resample| {
                    self.draw(resample, counts);
                    let (a, b) = (a.figures(counts), b.figures(counts));
                    let of_keys = keys.iter();
                    of_keys.map(|&(_, in_a, in_b)| b[in_b] - a[in_a]).collect()
                },
            )
            .collect();
        let of_key = |place: usize| {
            let differences = differences.iter().map(|of_keys: &Vec<f64>| of_keys[place]);
            Interval::of(differences, self.confidence)
        };
        let keys = keys.iter().enumerate();
        keys.map(|(place, &(key, ..))| (key, of_key(place)))
            .collect()
    }

    /// Draws how often each example is in a sample; a sample depends only on its number, not on
    /// threads.
    fn draw(&self, resample: u64, counts: &mut [u32]) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(resample);
        counts.fill(0);
        let examples = counts.len() as u64;
        for _ in 0..examples {
            // Each example's probability is exact to 2⁻³².
            let place = (u64::from(random.next_u32()) * examples) >> 32;
            counts[place as usize] += 1;
        }
    }
}

/// Returns a quantile of sorted numbers with linear interpolation, NumPy's default.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(rights: impl Iterator<Item = bool>) -> Judged {
        let mut judged = Judged::new("text", "right", 2);
        for right in rights {
            let right = f64::from(u8::from(right));
            judged.push(&[1.0, right], right);
        }
        judged.figure("accuracy", |sums| 100.0 * sums[1] / sums[0])
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 1])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        let found = [0.0, 0.1, 0.5, 1.0].map(|share| quantile(&sorted, share).unwrap());
        for (found, expected) in found.iter().zip([1.0, 1.3, 3.0, 8.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_interval_is_that_of_the_normal_approximation() {
        // Of 1,000 texts, 100 are gained and 60 lost: a mean of 0.04 with a variance of (0.1 + 0.06
        // − 0.04²) / 1,000.
        let a = rights((0..1000).map(|text| !(100..200).contains(&text)));
        let b = rights((0..1000).map(|text| !(200..260).contains(&text)));
        let bootstrap = Bootstrap::default();
        let (key, interval) = bootstrap.intervals(&a, &b)[0];
        let interval = interval.unwrap();
        let deviation = 100.0 * (0.1584_f64 / 1000.0).sqrt();
        assert_eq!((key, interval.undefined), ("accuracy", 0));
        // The ends are quantiles of 10,000 samples of a distribution with steps of 0.1, so they are
        // accurate to about 0.05.
        for (found, expected) in [
            (interval.low, 4.0 - 1.96 * deviation),
            (interval.high, 4.0 + 1.96 * deviation),
        ] {
            assert!((found - expected).abs() < 0.15, "{found} {expected}");
        }
        assert!(interval.excludes_zero());
        // Drawing again gives bit-identical results, whatever the number of threads.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let again = alone.unwrap().install(|| bootstrap.intervals(&a, &b));
        assert_eq!(again, bootstrap.intervals(&a, &b));
        // Another seed draws different samples.
        let other = Bootstrap {
            seed: 2,
            ..bootstrap
        };
        assert_ne!(other.intervals(&a, &b), again);
    }

    #[test]
    fn the_same_answers_do_not_differ_in_any_sample() {
        let few = Bootstrap {
            resamples: 50,
            ..Bootstrap::default()
        };
        let judged = || rights([true, false, true].into_iter());
        let (_, interval) = few.intervals(&judged(), &judged())[0];
        let interval = interval.unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 0.0));
        assert!(!interval.excludes_zero());
    }

    #[test]
    fn samples_without_a_figure_are_counted() {
        let judged = |values: [f64; 2]| {
            let mut judged = Judged::new("text", "right", 2);
            // A ratio that is undefined if the second example is not drawn.
            for (value, part) in values.into_iter().zip([0.0, 1.0]) {
                judged.push(&[value * part, part], value);
            }
            judged.figure("share", |sums| sums[0] / sums[1])
        };
        let bootstrap = Bootstrap {
            resamples: 4000,
            ..Bootstrap::default()
        };
        let intervals = bootstrap.intervals(&judged([0.0, 1.0]), &judged([0.0, 3.0]));
        let interval = intervals[0].1.unwrap();
        assert_eq!((interval.low, interval.high), (2.0, 2.0));
        // A quarter of the samples; the standard deviation is √(4000 · ¼ · ¾) ≈ 27.
        assert!(
            (interval.undefined as f64 - 1000.0).abs() < 110.0,
            "{interval:?}"
        );
        let empty = rights(std::iter::empty());
        assert_eq!(bootstrap.intervals(&empty, &empty), [("accuracy", None)]);
    }
}
