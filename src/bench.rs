//! Times training steps and predictions on random weights and random tokens.
//!
//! A reading covers whole steps: the device is synchronised before the clock is read. Batches go
//! through the same step and the same prediction as a real run's. [`agreement`] compares a device's steps
//! with the CPU's.

pub mod agreement;
pub mod pretrain;
mod timing;

use std::time::Instant;

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use self::timing::Readings;
pub use self::timing::{Error, Figures, Timing};
use crate::{
    batch::{Batch, Row},
    config::EncoderConfig,
    model::{ModelInput, parameters::ParameterSource, record},
    tasks::{
        head::TaskHead,
        label::Label,
        model::Model,
        qa::{beam, span_head::SpanHeadConfig},
    },
    train::{
        adam::Adam,
        objective::{Objective, Trainable},
        schedule::LayerDecay,
        step::{StepSettings, train_step},
    },
};

/// Starts of a window that a prediction pairs with ends, as the reference's default.
const BEAM: usize = 20;
/// Share of a sequence that is the question; only the passage may hold the answer.
const QUESTION_TOKENS: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Forward, backward, clip and update.
    Train,
    /// Forward, and the best ends of the 20 best starts.
    Predict,
}

/// What is timed.
#[derive(Debug, Clone)]
pub struct Bench<'a> {
    pub timing: Timing<'a>,
    pub task: Task,
    pub encoder: EncoderConfig,
    pub head: SpanHeadConfig,
}

/// Groups of `batch_size` lengths in a random order that is the same each time; `bucket` puts
/// lengths that are near each other into one group. What is left over is left out.
pub fn groups(lengths: &[usize], batch_size: usize, bucket: bool) -> Vec<Vec<usize>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut lengths = lengths.to_vec();
    lengths.shuffle(&mut random);
    if bucket {
        lengths.sort_unstable();
    }
    let mut groups: Vec<Vec<usize>> = lengths
        .chunks_exact(batch_size.max(1))
        .map(<[usize]>::to_vec)
        .collect();
    groups.shuffle(&mut random);
    groups
}

/// The share of padding in the groups if each were padded to its longest sequence.
pub fn padding(groups: &[Vec<usize>]) -> f64 {
    let real: usize = groups.iter().flatten().sum();
    let width = |group: &Vec<usize>| group.iter().max().copied().unwrap_or(0);
    let padded: usize = groups.iter().map(|group| group.len() * width(group)).sum();
    match padded {
        0 => 0.0,
        padded => 1.0 - real as f64 / padded as f64,
    }
}

impl Bench<'_> {
    /// Runs the warm-up and the timed steps.
    pub fn run(&self) -> Result<Figures, Error> {
        let timing = &self.timing;
        let tasks = ["squad".to_owned()];
        let training = timing.device.clone().autodiff();
        let device = match self.task {
            Task::Train => &training,
            Task::Predict => timing.device,
        };
        let mut source =
            ParameterSource::new(device.clone(), 1, None).with_arithmetic(timing.arithmetic);
        let heads = [TaskHead::span("squad", self.head)];
        let mut model = Model::new(&mut source, &self.encoder, &heads)?;
        let weights = product_weights(&model, &tasks);
        let mut adam = Adam::new(
            0.01,
            LayerDecay {
                decay: 0.9,
                layers: self.encoder.num_hidden_layers,
                variant: crate::config::LrDecayVariant::Released,
            },
        )
        .with_moments(timing.moments);
        if self.task == Task::Train {
            adam.begin(&model, &tasks);
        }
        let settings = StepSettings {
            device: &training,
            tasks: &tasks,
            objective: Objective {
                trainable: Trainable::All,
                recompute_layers: timing.recompute_layers,
                loss_scale: timing.loss_scale,
            },
            seed: 1,
        };
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut readings = Readings::begin(timing)?;
        for (step, lengths) in timing.all_steps() {
            let parts = self.parts(lengths, &mut random);
            let began = Instant::now();
            match self.task {
                Task::Train => {
                    model = train_step(model, &mut adam, &parts, step as u64, 1e-5, &settings)
                        .map_err(|source| Error::Device { step, source })?
                        .0;
                }
                Task::Predict => {
                    for batch in &parts {
                        let input = ModelInput::new(batch, 0, timing.device);
                        beam::predict(&model, 0, &input, &batch.features, BEAM)?;
                    }
                }
            }
            readings.end(step, began, lengths, || self.operations(lengths, weights))?;
        }
        Ok(readings.figures)
    }

    /// Random features of these lengths, divided as a run divides its batches.
    fn parts(&self, lengths: &[usize], random: &mut ChaCha8Rng) -> Vec<Batch> {
        let size = self.timing.micro_batch_size.unwrap_or(lengths.len());
        lengths
            .chunks(size.max(1))
            .map(|lengths| self.batch(lengths, random))
            .collect()
    }

    fn batch(&self, lengths: &[usize], random: &mut ChaCha8Rng) -> Batch {
        let mut batch = Batch::default();
        for (index, &length) in lengths.iter().enumerate() {
            let computed = self.timing.computed(length);
            let question = QUESTION_TOKENS.min(length / 2);
            let ids = 0..self.encoder.vocab_size as i32;
            let ids: Vec<u32> = (0..computed)
                .map(|_| random.random_range(ids.clone()) as u32)
                .collect();
            let row = Row {
                input_ids: &ids,
                first_segment: question,
                label: Label::Span {
                    start: question as u32,
                    end: question as u32,
                    impossible: false,
                },
            };
            batch.push(index, 0, row);
        }
        batch
    }

    /// Operations of one step: two for each weight that a token meets in a product, and the two
    /// products of attention; a backward pass costs twice a forward pass.
    fn operations(&self, lengths: &[usize], weights: usize) -> f64 {
        let attention = 4 * self.encoder.num_hidden_layers * self.encoder.hidden_size;
        let forward: f64 = lengths
            .iter()
            .map(|&length| (length * (2 * weights + attention * length)) as f64)
            .sum();
        match self.task {
            Task::Train => 3.0 * forward,
            Task::Predict => forward,
        }
    }
}

/// Weights of the encoder's dense layers, which every token meets once; embeddings are looked up,
/// and the head's share is below a hundredth.
fn product_weights(model: &Model, tasks: &[String]) -> usize {
    let mut weights = 0;
    record::for_each_parameter(model, tasks, |parameter| {
        if parameter.name.starts_with("electra.layers.") && parameter.shape.len() == 2 {
            weights += parameter.shape.iter().product::<usize>();
        }
    });
    weights
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{config::OptimizerMoments, model::arithmetic::Arithmetic};

    #[test]
    fn groups_are_full_and_buckets_hold_neighbours() {
        let lengths: Vec<usize> = (1..=10).rev().collect();
        let plain = groups(&lengths, 3, false);
        assert_eq!(plain.len(), 3);
        assert!(plain.iter().all(|group| group.len() == 3));
        let mut bucketed = groups(&lengths, 3, true);
        bucketed.sort();
        assert_eq!(bucketed, [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]]);
    }

    #[test]
    fn padding_is_what_the_longest_sequence_of_a_group_leaves_empty() {
        // 2 of 8 tokens, and none of 8.
        assert_eq!(padding(&[vec![2, 4], vec![4, 4]]), 0.125);
        assert_eq!(padding(&[vec![5; 4]]), 0.0);
        assert_eq!(padding(&[]), 0.0);
    }

    #[test]
    fn a_step_counts_real_tokens_and_its_operations() {
        let mut given = serde_json::Map::new();
        given.insert("task_names".into(), json!(["squad"]));
        given.insert(
            "model_hparam_overrides".into(),
            json!({"hidden_size": 64, "num_hidden_layers": 1, "vocab_size": 50}),
        );
        let resolved = crate::config::Config::resolve("d".as_ref(), "m", &given);
        let (config, _) = resolved.unwrap();
        let bench = Bench {
            timing: Timing {
                device: &Device::flex(),
                arithmetic: Arithmetic::default(),
                groups: vec![vec![3, 5]],
                pad_to: Some(8),
                steps: 2,
                warmup: 1,
                micro_batch_size: Some(1),
                moments: OptimizerMoments::Bf16,
                recompute_layers: true,
                loss_scale: 1.0,
            },
            task: Task::Train,
            encoder: config.encoder(),
            head: SpanHeadConfig::of(&config),
        };
        let figures = bench.run().unwrap();
        assert_eq!((figures.seconds.len(), figures.sequences), (2, 4));
        assert_eq!(figures.tokens, 16);
        // Four square products of 64, two of 64 × 256, and attention over each sequence.
        let weights = 4 * 64 * 64 + 2 * 64 * 256;
        let attention = 4 * 64 * (3 * 3 + 5 * 5);
        let expected = 2 * 3 * (2 * weights * 8 + attention);
        assert_eq!(figures.operations, expected as f64);
    }
}
