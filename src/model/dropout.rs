//! Where the model applies dropout in training, and with which masks.
//!
//! Dropout sites match the reference (`dropout`,
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L374-L389>).
//! Masks depend only on the run's seed, the step and the site, so a resumed run, a smaller
//! micro-batch or a packed batch draws the same ones.

use burn::Tensor;

use crate::{
    kernels,
    packed::{
        random::{Mask, pcg3d},
        sequences::Sequences,
    },
};

/// Whether a forward pass applies dropout, and with which seed. Predictions apply none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Predict,
    Train(StepSeed),
}

/// Seed of all random numbers of one training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepSeed {
    words: [u32; 2],
}

/// A site of the model at which dropout is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Embeddings,
    /// Attention probabilities of a layer.
    Probabilities(usize),
    /// Output of a layer's attention, before the residual.
    AttentionOutput(usize),
    /// Output of a layer's feed-forward block, before the residual.
    FeedForwardOutput(usize),
    /// Input of a head.
    Head,
    /// Input of the last layer of a head that has another layer before it.
    HeadHidden,
}

impl StepSeed {
    pub fn new(seed: u64, step: u64) -> Self {
        let [low, high] = [seed as u32, (seed >> 32) as u32];
        let [x, y, _] = pcg3d([low, high, step as u32]);
        Self {
            words: [x, y ^ (step >> 32) as u32],
        }
    }

    /// Returns the seed for another network that runs in the same step, so that its masks differ.
    /// Network 0 is the fine-tuned encoder.
    pub fn of_network(self, network: u32) -> Self {
        if network == 0 {
            return self;
        }
        let [low, high] = self.words;
        // Between the numbers of masks and those of roundings.
        let [x, y, _] = pcg3d([low, high, 1 << 31 | network]);
        Self { words: [x, y] }
    }

    /// Returns the words that seed the stochastic rounding of the optimiser's moments of parameter
    /// number `parameter`.
    pub fn rounding(self, parameter: usize) -> [u32; 2] {
        let [low, high] = self.words;
        // Masks are numbered upwards from 0, roundings downwards from the other end.
        let [x, y, _] = pcg3d([low, high, !(parameter as u32)]);
        [x, y]
    }
}

impl Mode {
    /// Returns the mask of a site that drops with probability `rate`, if that is not 0.
    pub fn mask(self, site: Site, rate: f64) -> Option<Mask> {
        let Self::Train(seed) = self else {
            return None;
        };
        let number = match site {
            Site::Embeddings => 0,
            Site::Probabilities(layer) => 3 * layer + 1,
            Site::AttentionOutput(layer) => 3 * layer + 2,
            Site::FeedForwardOutput(layer) => 3 * layer + 3,
            // Beyond every layer, and below the numbers of the roundings.
            Site::Head => 1 << 30,
            Site::HeadHidden => (1 << 30) + 1,
        };
        let [low, high] = seed.words;
        let [word, _, _] = pcg3d([low, high, number as u32]);
        (rate > 0.0).then(|| Mask::new(word, rate))
    }
}

/// Keeps each value of `[tokens, columns]` with probability `1 − rate`, scaled by `1 / (1 − rate)`.
pub fn dropout(
    values: Tensor<2>,
    sequences: &Sequences,
    site: Site,
    rate: f64,
    mode: Mode,
) -> Tensor<2> {
    match mode.mask(site, rate) {
        None => values,
        Some(mask) => kernels::dropout::dropout(values, sequences, mask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_site_network_step_and_seed_has_masks_of_its_own() {
        let sites = [
            Site::Embeddings,
            Site::Probabilities(0),
            Site::AttentionOutput(0),
            Site::FeedForwardOutput(0),
            Site::Probabilities(1),
            Site::Head,
            Site::HeadHidden,
        ];
        let mut words = Vec::new();
        for (seed, step) in [(1, 0), (1, 1), (2, 0), (1 << 32, 0), (1, 1 << 32)] {
            for network in 0..4 {
                let mode = Mode::Train(StepSeed::new(seed, step).of_network(network));
                words.extend(sites.map(|site| mode.mask(site, 0.1).unwrap().counter));
            }
        }
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn every_parameter_step_and_seed_is_rounded_by_words_of_its_own() {
        let mut words = Vec::new();
        for (seed, step) in [(1, 0), (1, 1), (2, 0), (1 << 32, 0), (1, 1 << 32)] {
            words.extend((0..400).map(|parameter| StepSeed::new(seed, step).rounding(parameter)));
        }
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn nothing_is_dropped_in_prediction_nor_at_a_rate_of_zero() {
        let train = Mode::Train(StepSeed::new(1, 1));
        assert_eq!(Mode::Predict.mask(Site::Embeddings, 0.1), None);
        assert_eq!(train.mask(Site::Embeddings, 0.0), None);
    }
}
