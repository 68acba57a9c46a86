//! Times steps of pre-training on random weights and random examples: masks, the generator's pass, the
//! tokens that it draws, the discriminator's pass, and the update of both networks.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::timing::{Error, Figures, Readings, Timing};
use crate::{
    config::{LrDecayVariant, PretrainConfig},
    model::parameters::ParameterSource,
    pretrain::{
        self,
        example::Example,
        masking::Masking,
        networks::Networks,
        objective::{Chance, Objective},
        operations::operations,
        part::{Masked, Part},
        step::step_gradients,
    },
    text::vocab::Vocab,
    train::{adam::Adam, schedule::LayerDecay},
};

/// Tokens that stand for no word, in the order of their ids.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const CLS: u32 = 2;
const SEP: u32 = 3;

/// What is timed.
#[derive(Debug, Clone)]
pub struct PretrainBench<'a> {
    pub timing: Timing<'a>,
    /// The networks and the masks.
    pub config: PretrainConfig,
}

impl PretrainBench<'_> {
    /// Runs the warm-up and the timed steps. The time of a step is that of a run: from masks to the update.
    ///
    /// # Errors
    /// If the device fails, or nothing can be masked of so few tokens.
    pub fn run(&self) -> Result<Figures, Error> {
        let timing = &self.timing;
        let device = &timing.device.clone().autodiff();
        let config = &self.config;
        let masking = self.masking()?;
        let mut source =
            ParameterSource::new(device.clone(), 1, None).with_arithmetic(timing.arithmetic);
        let mut networks = Networks::new(&mut source, config)?;
        let one_rate = LayerDecay {
            decay: 0.0,
            layers: 0,
            variant: LrDecayVariant::Released,
        };
        let mut adam = Adam::new(config.weight_decay_rate, one_rate).with_moments(timing.moments);
        adam.begin(&networks, &[]);
        let objective = Objective {
            config,
            mask: masking.mask_id(),
            recompute_layers: timing.recompute_layers,
            loss_scale: timing.loss_scale,
            device,
        };
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut readings = Readings::begin(timing)?;
        for (step, lengths) in timing.all_steps() {
            let examples = self.examples(lengths, &mut random);
            let chance = Chance {
                seed: 1,
                step: step as u64,
                drops: true,
            };
            let began = Instant::now();
            let parts = self.parts(lengths, examples, &masking, chance);
            let computed = step_gradients(&networks, &parts, &objective, chance)
                .map_err(|source| Error::Device { step, source })?;
            networks = computed.update(networks, &mut adam, 1e-5);
            readings.end(step, began, lengths, || {
                // Padding has no slots.
                let slots = parts.iter().flat_map(|part| &part.examples);
                let slots = slots.map(|masked| masked.slots.len());
                operations(config, lengths.iter().copied().zip(slots))
            })?;
        }
        Ok(readings.figures)
    }

    /// Masks over a vocabulary of made-up words.
    fn masking(&self) -> Result<Masking, pretrain::Error> {
        const NAME: &str = "the vocabulary of the measurement";
        let config = &self.config;
        let words = SPECIAL.len()..config.discriminator().vocab_size;
        let words = SPECIAL
            .map(str::to_owned)
            .into_iter()
            .chain(words.map(|n| format!("w{n}")));
        let words: String = words.map(|word| word + "\n").collect();
        let vocab = Vocab::parse(&words, NAME)?;
        Masking::new(config.mask_prob, config.max_seq_length, &vocab, NAME)
    }

    /// Random examples of these lengths, or of the length that all are padded to.
    fn examples(&self, lengths: &[usize], random: &mut ChaCha8Rng) -> Vec<Example> {
        let vocab = self.config.discriminator().vocab_size as u32;
        let lengths = lengths.iter();
        lengths
            .map(|&length| {
                let computed = self.timing.computed(length);
                let words = SPECIAL.len() as u32..vocab;
                let mut ids: Vec<u32> = (0..computed)
                    .map(|_| random.random_range(words.clone()))
                    .collect();
                ids[length - 1] = SEP;
                ids[0] = CLS;
                let first = length.div_ceil(2);
                Example { ids, first }
            })
            .collect()
    }

    /// The examples with masks on their real tokens, divided as a run divides its batches.
    fn parts(
        &self,
        lengths: &[usize],
        examples: Vec<Example>,
        masking: &Masking,
        chance: Chance,
    ) -> Vec<Part> {
        let masked = examples.into_iter().zip(lengths).enumerate();
        let masked: Vec<Masked> = masked
            .map(|(place, (example, &length))| Masked {
                slots: masking.draw(
                    &example.ids[..length],
                    chance.seed,
                    chance.step,
                    place as u64,
                ),
                candidates: masking.is_candidate(&example.ids),
                recorded: None,
                example,
            })
            .collect();
        let size = self.timing.micro_batch_size.unwrap_or(masked.len()).max(1);
        let parts = masked.chunks(size).enumerate();
        parts
            .map(|(number, examples)| Part {
                examples: examples.to_vec(),
                first_place: number * size,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{config::OptimizerMoments, model::arithmetic::Arithmetic};

    fn small(pad_to: Option<usize>) -> Figures {
        let given = json!({
            "embedding_size": 16, "vocab_size": 50, "generator_hidden_size": 0.5, "max_seq_length": 8,
            "model_hparam_overrides": {"hidden_size": 64, "num_hidden_layers": 1},
        });
        let resolved =
            PretrainConfig::resolve("d".as_ref(), "m", given.as_object().unwrap()).unwrap();
        let bench = PretrainBench {
            timing: Timing {
                device: &Device::flex(),
                arithmetic: Arithmetic::default(),
                groups: vec![vec![3, 5]],
                pad_to,
                steps: 2,
                warmup: 1,
                micro_batch_size: Some(1),
                moments: OptimizerMoments::F32,
                recompute_layers: true,
                loss_scale: 1.0,
            },
            config: resolved.0,
        };
        bench.run().unwrap()
    }

    #[test]
    fn a_step_counts_real_tokens_and_the_operations_of_both_networks() {
        let figures = small(None);
        assert_eq!((figures.seconds.len(), figures.sequences), (2, 4));
        assert_eq!(figures.tokens, 16);
        // Each weight that a token meets in a product, of the discriminator and of the generator: in their
        // one layer of 64 and of 32 values, four square products and two with four times the width; the
        // projections of the embeddings, 16 × 64 and 16 × 32; the discriminator's head, 64 × 64 and 64 × 1.
        //   discriminator: 4 · 4,096 + 2 · 16,384 + 1,024 + 4,096 + 64 = 54,336
        //   generator: 4 · 1,024 + 2 · 4,096 + 512 = 12,800
        let discriminator = 4 * 64 * 64 + 2 * 64 * 256 + 16 * 64 + 64 * 64 + 64;
        let generator = 4 * 32 * 32 + 2 * 32 * 128 + 16 * 32;
        assert_eq!((discriminator, generator), (54_336, 12_800));
        // Of each pair of a sequence's tokens two products of attention, 2 · 64 and 2 · 32 each: 4 · 96 · 34.
        let attention = 4 * (64 + 32) * (3 * 3 + 5 * 5);
        // One slot of either sequence: the generator's head, 32 × 16, and the table, 16 × 50.
        let slots = 2 * (2 * (32 * 16 + 16 * 50));
        // 8 tokens and 2 operations a weight: 1,074,176 + 13,056 + 5,248 forward; three times as many with
        // the backward pass, in two steps.
        let forward = 2 * 8 * (discriminator + generator) + attention + slots;
        assert_eq!(forward, 1_092_480);
        assert_eq!(figures.operations, (2 * 3 * forward) as f64);
        // Padding is computed and not counted.
        let padded = small(Some(8));
        assert_eq!(
            (padded.tokens, padded.operations),
            (figures.tokens, figures.operations)
        );
    }
}
