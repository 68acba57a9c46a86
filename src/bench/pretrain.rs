//! Times steps of pre-training on random weights and random examples: masks, the generator's pass, the
//! tokens that it draws, the discriminator's pass, and the update of both networks.

use std::time::Instant;

use burn::tensor::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Error, Figures};
use crate::{
    config::{EncoderConfig, LrDecayVariant, OptimizerMoments, PretrainConfig},
    device::DeviceError,
    model::{arithmetic::Arithmetic, parameters::ParameterSource},
    pretrain::{
        self,
        example::Example,
        masking::Masking,
        networks::Networks,
        objective::{Chance, Objective},
        part::{Masked, Part},
        step::step_gradients,
    },
    text::vocab::Vocab,
    train::{adam::Adam, memory::PeakMemory, schedule::LayerDecay},
};

/// Tokens that stand for no word, in the order of their ids.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const CLS: u32 = 2;
const SEP: u32 = 3;

/// What is timed.
#[derive(Debug, Clone)]
pub struct PretrainBench<'a> {
    pub device: &'a Device,
    /// The networks, of which the generator is one of its own, and the masks.
    pub config: PretrainConfig,
    pub arithmetic: Arithmetic,
    /// Real lengths of each step's examples; steps go round them.
    pub groups: Vec<Vec<usize>>,
    /// Computes every example as this many tokens, as a program that pads would.
    pub pad_to: Option<usize>,
    pub steps: usize,
    /// Steps before the first reading.
    pub warmup: usize,
    pub micro_batch_size: Option<usize>,
    pub moments: OptimizerMoments,
    /// Keeps only each layer's input and computes the rest again in the backward pass.
    pub recompute_layers: bool,
    pub loss_scale: f64,
}

impl PretrainBench<'_> {
    /// Runs the warm-up and the timed steps. The time of a step is that of a run: from masks to the update.
    ///
    /// # Errors
    /// If the device fails, or nothing can be masked of so few tokens.
    pub fn run(&self) -> Result<Figures, Error> {
        let device = &self.device.clone().autodiff();
        let config = &self.config;
        let masking = self.masking()?;
        let mut source =
            ParameterSource::new(device.clone(), 1, None).with_arithmetic(self.arithmetic);
        let mut networks = Networks::new(&mut source, config)?;
        let one_rate = LayerDecay {
            decay: 0.0,
            layers: 0,
            variant: LrDecayVariant::Released,
        };
        let mut adam = Adam::new(config.weight_decay_rate, one_rate).with_moments(self.moments);
        adam.begin(&networks, &[]);
        let objective = Objective {
            config,
            mask: masking.mask_id(),
            recompute_layers: self.recompute_layers,
            loss_scale: self.loss_scale,
            device,
        };
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut memory = PeakMemory::new(self.device);
        let mut figures = Figures::default();
        self.synchronise(0)?;
        for step in 0..self.warmup + self.steps {
            let lengths = &self.groups[step % self.groups.len()];
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
            self.synchronise(step)?;
            let seconds = began.elapsed().as_secs_f64();
            figures.peak_bytes = memory.sample();
            if step >= self.warmup {
                let slots = parts.iter().flat_map(Part::slots).count();
                figures.seconds.push(seconds);
                figures.sequences += lengths.len();
                figures.tokens += lengths.iter().sum::<usize>();
                figures.operations += self.operations(lengths, slots);
            }
        }
        Ok(figures)
    }

    fn synchronise(&self, step: usize) -> Result<(), Error> {
        self.device.sync().map_err(|e| Error::Device {
            step,
            source: DeviceError::new(e),
        })
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
                let computed = self.pad_to.map_or(length, |width| width.max(length));
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
        let size = self.micro_batch_size.unwrap_or(masked.len()).max(1);
        let parts = masked.chunks(size).enumerate();
        parts
            .map(|(number, examples)| Part {
                examples: examples.to_vec(),
                first_place: number * size,
            })
            .collect()
    }

    /// Operations of one step: two for each weight that a token meets in a product, in the layers of both
    /// networks and in the discriminator's head; the products of attention; the generator's head and the
    /// products with the word table at each masked slot. A backward pass costs twice a forward pass.
    fn operations(&self, lengths: &[usize], slots: usize) -> f64 {
        let (discriminator, generator) = (self.config.discriminator(), self.config.generator());
        let weights = |encoder: &EncoderConfig| {
            let (hidden, inner) = (encoder.hidden_size, encoder.intermediate_size);
            encoder.num_hidden_layers * (4 * hidden * hidden + 2 * hidden * inner)
        };
        let attention =
            |encoder: &EncoderConfig| 4 * encoder.num_hidden_layers * encoder.hidden_size;
        let head = discriminator.hidden_size * discriminator.hidden_size;
        let of_token = 2 * (weights(&discriminator) + weights(&generator) + head);
        let of_pair = attention(&discriminator) + attention(&generator);
        let width = generator.embedding_size;
        let of_slot = 2 * width * (generator.hidden_size + generator.vocab_size);
        let forward: f64 = lengths
            .iter()
            .map(|&length| (length * (of_token + of_pair * length)) as f64)
            .sum();
        3.0 * (forward + (slots * of_slot) as f64)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn small(pad_to: Option<usize>) -> Figures {
        let given = json!({
            "embedding_size": 16, "vocab_size": 50, "generator_hidden_size": 0.5, "max_seq_length": 8,
            "model_hparam_overrides": {"hidden_size": 64, "num_hidden_layers": 1},
        });
        let resolved =
            PretrainConfig::resolve("d".as_ref(), "m", given.as_object().unwrap()).unwrap();
        let bench = PretrainBench {
            device: &Device::flex(),
            config: resolved.0,
            arithmetic: Arithmetic::default(),
            groups: vec![vec![3, 5]],
            pad_to,
            steps: 2,
            warmup: 1,
            micro_batch_size: Some(1),
            moments: OptimizerMoments::F32,
            recompute_layers: true,
            loss_scale: 1.0,
        };
        bench.run().unwrap()
    }

    #[test]
    fn a_step_counts_real_tokens_and_the_operations_of_both_networks() {
        let figures = small(None);
        assert_eq!((figures.seconds.len(), figures.sequences), (2, 4));
        assert_eq!(figures.tokens, 16);
        // Four square products and two of a width with four times it, of 64 and of 32 values; the
        // discriminator's head; attention over each sequence.
        let of_token = (4 * 64 * 64 + 2 * 64 * 256) + (4 * 32 * 32 + 2 * 32 * 128) + 64 * 64;
        let attention = 4 * (64 + 32) * (3 * 3 + 5 * 5);
        // One slot of either sequence: the head, 32 × 16, and the table, 16 × 50.
        let slots = 2 * (32 * 16 + 16 * 50) * 2;
        let expected = 2 * 3 * (2 * of_token * 8 + attention + slots);
        assert_eq!(figures.operations, expected as f64);
        // Padding is computed and not counted.
        let padded = small(Some(8));
        assert_eq!(
            (padded.tokens, padded.operations),
            (figures.tokens, figures.operations)
        );
    }
}
