//! Initial values of parameters that no checkpoint supplies, each from its own random stream.
//!
//! The distributions match the reference: truncated normal for the encoder (`create_initializer`,
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L405-L407>),
//! Glorot uniform for the heads (the default of TensorFlow's dense layer), zeros for biases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initialiser {
    Zeros,
    Ones,
    /// Normal with this standard deviation, redrawn beyond two of them.
    TruncatedNormal(f64),
    /// Uniform in ±√(6 / (fan_in + fan_out)) for a `[fan_in, fan_out]` kernel.
    GlorotUniform,
}

impl Initialiser {
    /// Returns row-major values of the parameter `path`; the same for the same seed, path and
    /// shape, whatever else the model holds.
    pub fn values(self, seed: u64, path: &str, shape: &[usize]) -> Vec<f32> {
        let count = shape.iter().product();
        match self {
            Self::Zeros => vec![0.0; count],
            Self::Ones => vec![1.0; count],
            Self::TruncatedNormal(deviation) => {
                let mut random = stream(seed, path);
                let mut normal = StandardNormal::default();
                (0..count)
                    .map(|_| {
                        loop {
                            let value = normal.draw(&mut random);
                            if value.abs() <= 2.0 {
                                return (value * deviation) as f32;
                            }
                        }
                    })
                    .collect()
            }
            Self::GlorotUniform => {
                let mut random = stream(seed, path);
                let fans: usize = shape.iter().sum();
                let limit = (6.0 / fans as f64).sqrt();
                (0..count)
                    .map(|_| random.random_range(-limit..limit) as f32)
                    .collect()
            }
        }
    }
}

/// Creates the random stream of one parameter, keyed by the seed and the FNV-1a hash of the path.
fn stream(seed: u64, path: &str) -> ChaCha8Rng {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Draws standard normal values with the Box–Muller transform, which yields them in pairs.
#[derive(Default)]
struct StandardNormal {
    second: Option<f64>,
}

impl StandardNormal {
    fn draw(&mut self, random: &mut ChaCha8Rng) -> f64 {
        if let Some(value) = self.second.take() {
            return value;
        }
        // 1 − u is in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        let angle = std::f64::consts::TAU * random.random::<f64>();
        self.second = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let variance = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / values.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn truncated_normal_has_the_deviation_of_a_cut_normal_and_no_tails() {
        let values = Initialiser::TruncatedNormal(0.02).values(1, "a", &[400, 500]);
        let (mean, deviation) = moments(&values);
        // A normal truncated at two standard deviations keeps 0.8796 of its deviation; with 200,000
        // draws the sample's is within 0.2 %.
        assert!(
            (deviation / (0.02 * 0.8796) - 1.0).abs() < 0.01,
            "{deviation}"
        );
        assert!(mean.abs() < 2e-4, "{mean}");
        assert!(values.iter().all(|v| v.abs() <= 0.04));
    }

    #[test]
    fn glorot_uniform_fills_its_interval() {
        let values = Initialiser::GlorotUniform.values(1, "a", &[256, 512]);
        let limit = (6.0_f64 / 768.0).sqrt() as f32;
        let (_, deviation) = moments(&values);
        assert!(values.iter().all(|v| v.abs() <= limit));
        assert!((deviation / (f64::from(limit) / 3.0_f64.sqrt()) - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_parameter_keeps_its_values_and_differs_from_its_neighbours() {
        let values = |seed, path| Initialiser::GlorotUniform.values(seed, path, &[4, 4]);
        assert_eq!(values(1, "a"), values(1, "a"));
        assert_ne!(values(1, "a"), values(2, "a"));
        assert_ne!(values(1, "a"), values(1, "b"));
    }
}
