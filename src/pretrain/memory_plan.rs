//! How a pre-training batch is split so that a step of both networks fits in a memory budget.
//!
//! The networks run one after the other: the generator's backward pass ends before the discriminator reads
//! the sampled tokens. So a step holds the state of both (weights, moments, gradients) and the activations of
//! whichever network needs more. Between steps, a probe holds the state and activations of a copy of the
//! discriminator, beside the weights and moments of both networks.

use std::collections::BTreeMap;

use super::probe;
use crate::{
    config::{
        EncoderConfig, OptimizerMoments, PretrainConfig, pretraining::networks::Generator as Kind,
    },
    counted::counted,
    device::ByteSize,
    kernels::formats::Element,
    model::{ParameterCount, arithmetic::Arithmetic},
    tasks::head,
    train::memory_plan::{Footprint, MemoryLimits, MemoryPlan, TooLarge, Wanted, reserved},
};

const FLOAT: u64 = size_of::<f32>() as u64;

/// Tokens in a micro-batch, unless the configuration says otherwise.
const TOKENS_AT_ONCE: usize = 8192;

/// Vocabulary scores held at once, and the number of tensors of that size: scores, probabilities, those for
/// sampling, and two temporaries.
const SCORES_AT_ONCE: u64 = 1 << 24;
const OF_SCORES: u64 = 6;

/// What a training step consists of.
#[derive(Debug, Clone)]
pub struct PretrainFootprint<'a> {
    config: &'a PretrainConfig,
    discriminator: EncoderConfig,
    /// The network that guesses, and how many of it there are; `None` if every token is equally likely.
    guesser: Option<(EncoderConfig, u64)>,
    arithmetic: Arithmetic,
    moments: OptimizerMoments,
    /// Total number of parameters.
    parameters: u64,
}

impl<'a> PretrainFootprint<'a> {
    pub fn new(
        config: &'a PretrainConfig,
        arithmetic: Arithmetic,
        moments: OptimizerMoments,
    ) -> Self {
        let (discriminator, generator) = (config.discriminator(), config.generator());
        let guesser = match config.generator_kind() {
            Kind::Own => Some((generator, 1)),
            Kind::TwoTowers => Some((generator, 2)),
            Kind::Shared => Some((discriminator.clone(), 1)),
            Kind::Uniform => None,
        };
        Self {
            parameters: parameters(config),
            config,
            discriminator,
            guesser,
            arithmetic,
            moments,
        }
    }

    /// Total number of parameters.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// The plan for the configuration's batches within these limits. Unless `micro_batch_size` is set, a
    /// micro-batch never has more than a few thousand tokens.
    ///
    /// # Errors
    /// If a single example does not fit, or the requested micro-batch does not.
    pub fn plan(&self, limits: MemoryLimits) -> Result<MemoryPlan, TooLarge> {
        let config = self.config;
        let wanted = Wanted {
            batch: config.train_batch_size,
            longest: config.max_seq_length,
            checkpointing: config.gradient_checkpointing,
            micro_batch_size: config.micro_batch_size,
        };
        let limits = MemoryLimits {
            tokens: Some(at_once(limits.tokens)),
            ..limits
        };
        let needed = |examples, recompute_layers| self.needed(examples, recompute_layers);
        let largest = |examples| self.largest_activation(examples);
        let plan = wanted.fit(limits, &needed, &largest);
        plan.ok_or_else(|| {
            let advice = match self.is_probed() {
                true => {
                    "train smaller networks (model_size, generator_hidden_size) or leave probe out"
                }
                false => "train smaller networks (model_size, generator_hidden_size)",
            };
            wanted.too_large(limits, &needed, &largest, ("example", advice))
        })
    }

    /// Bytes of a step with micro-batches of `examples`, or of a probe between steps if that needs more.
    pub fn needed(&self, examples: usize, recompute_layers: bool) -> u64 {
        let tokens = (examples * self.config.max_seq_length) as u64;
        let discriminates = match self.config.has_discriminator() {
            true => self.discriminating(tokens, recompute_layers),
            false => 0,
        };
        let guesses = self.guessing(examples as u64, tokens, recompute_layers);
        // The word table's gradient is summed over blocks of slots, beside the one already accumulated.
        let tables = match self.guesser {
            Some(_) => 2 * FLOAT * self.table(),
            None => 0,
        };
        let state = self.of(&self.discriminator).state() + tables;
        let step = state.saturating_add(guesses.max(discriminates));
        reserved(step.max(self.probing(examples, recompute_layers)))
    }

    fn is_probed(&self) -> bool {
        self.config.probe.is_some() && self.config.probe_every > 0
    }

    /// Bytes while a copy of the discriminator learns the probe's task; both networks stay in memory, without
    /// gradients.
    fn probing(&self, examples: usize, recompute_layers: bool) -> u64 {
        if !self.is_probed() {
            return 0;
        }
        let encoder = &self.discriminator;
        let networks = self.of(encoder);
        let table = (encoder.vocab_size * encoder.embedding_size) as u64;
        let waiting = networks
            .state()
            .saturating_sub(FLOAT * (self.parameters + table));
        // Each head beside the encoder. The largest, which finds spans, has two inner layers over pairs of
        // states.
        let head = 5 * encoder.hidden_size as u64 * head::HIDDEN as u64;
        let parameters = ParameterCount::new(encoder, BTreeMap::new()).all() + head;
        let copy = Footprint {
            parameters,
            trained: parameters,
            ..networks
        };
        let tokens = examples.min(probe::BATCH) * self.config.max_seq_length;
        waiting + copy.state() + copy.activations(tokens as u64, recompute_layers)
    }

    /// Bytes of the discriminator's activations.
    fn discriminating(&self, tokens: u64, recompute_layers: bool) -> u64 {
        let hidden = self.discriminator.hidden_size as u64;
        // In f32: the states, the inner layer before and after its activation, the gradients of both and of
        // the states.
        let head = FLOAT * 6 * hidden + self.passed(hidden);
        let kept = match self.config.electric_objective {
            // The towers' rows, which also enter its scores.
            true => FLOAT * tokens * self.width(),
            false => 0,
        };
        kept + self
            .of(&self.discriminator)
            .activations_with(head, tokens, recompute_layers)
    }

    /// Bytes of the activations of the network that guesses the masked tokens.
    fn guessing(&self, examples: u64, tokens: u64, recompute_layers: bool) -> u64 {
        let Some((encoder, count)) = &self.guesser else {
            return 0;
        };
        let count = *count;
        let hidden = encoder.hidden_size as u64;
        // The gradient of the states, in f32, scattered from the slots.
        let head = FLOAT * 2 * hidden + self.passed(hidden);
        let own = self.of(encoder);
        let kept = (count - 1) * own.activations_with(0, tokens, recompute_layers);
        // Towers guess every token.
        let rows = match count {
            1 => examples * self.config.max_predictions_per_seq() as u64,
            _ => tokens,
        };
        // Rows of the head: its input, before and after GELU, normalised, and their gradients.
        let of_rows = rows * FLOAT * (2 * count * hidden + 6 * self.width());
        let vocabulary = encoder.vocab_size as u64;
        let scores = (rows * vocabulary).min(SCORES_AT_ONCE.max(vocabulary));
        kept + own.activations_with(head, tokens, recompute_layers)
            + of_rows
            + OF_SCORES * FLOAT * scores
    }

    /// Bytes of the largest activation of `examples`: an inner layer's, or the scores.
    fn largest_activation(&self, examples: usize) -> u64 {
        let own = self.of(&self.discriminator).largest_activation(examples);
        let slots = (examples * self.config.max_predictions_per_seq()) as u64;
        let vocabulary = self.discriminator.vocab_size as u64;
        let scores = (slots * vocabulary).min(SCORES_AT_ONCE.max(vocabulary));
        match self.guesser {
            Some(_) => own.max(FLOAT * scores),
            None => own,
        }
    }

    /// Extra copies of the states and their gradient if the layers are in f16.
    fn passed(&self, hidden: u64) -> u64 {
        match self.arithmetic.layers {
            Element::F32 => 0,
            Element::F16 => 2 * FLOAT * hidden,
        }
    }

    /// Width of the word table that guesses are multiplied with.
    fn width(&self) -> u64 {
        let guesser = self.guesser.as_ref();
        guesser.map_or(0, |(encoder, _)| encoder.embedding_size as u64)
    }

    fn table(&self) -> u64 {
        self.discriminator.vocab_size as u64 * self.width()
    }

    /// A network's footprint, with the state of all networks.
    fn of<'b>(&self, encoder: &'b EncoderConfig) -> Footprint<'b> {
        Footprint {
            encoder,
            arithmetic: self.arithmetic,
            moments: self.moments,
            parameters: self.parameters,
            trained: self.parameters,
            trained_layers: encoder.num_hidden_layers,
            longest: self.config.max_seq_length,
        }
    }
}

/// Maximum tokens in a micro-batch regardless of memory; `in_time`: what a slow device computes in time.
pub(super) fn at_once(in_time: Option<usize>) -> usize {
    in_time.map_or(TOKENS_AT_ONCE, |tokens| tokens.min(TOKENS_AT_ONCE))
}

/// The plan as a log line; `None` if memory limits nothing.
pub fn line(plan: MemoryPlan, config: &PretrainConfig, limits: MemoryLimits) -> Option<String> {
    let budget = limits.budget?;
    let unlimited = (at_once(limits.tokens) / config.max_seq_length.max(1)).max(1);
    let usual = unlimited.min(config.train_batch_size);
    let again = match plan.recompute_layers {
        true => ", layers recomputed",
        false => "",
    };
    (plan.micro_batch_size < usual || plan.recompute_layers).then(|| {
        format!(
            "memory: {} of {} for a step of both networks; {} of {} at once{again}",
            ByteSize(plan.bytes),
            ByteSize(budget),
            plan.micro_batch_size,
            counted(config.train_batch_size, "example")
        )
    })
}

/// Total number of parameters of both networks and their heads.
fn parameters(config: &PretrainConfig) -> u64 {
    let (discriminator, generator) = (config.discriminator(), config.generator());
    let layers = |encoder: &EncoderConfig| {
        let count = ParameterCount::new(encoder, BTreeMap::new());
        (count.embeddings, count.layer * count.layers)
    };
    let (embeddings, own) = layers(&discriminator);
    // A generator that shares embeddings projects them.
    let of_generator = || {
        let (all, layers) = layers(&generator);
        let [embedding, hidden] = [generator.embedding_size, generator.hidden_size];
        let embeddings = match (config.untied_generator_embeddings, embedding == hidden) {
            (true, _) => all,
            (false, true) => 0,
            (false, false) => ((embedding + 1) * hidden) as u64,
        };
        embeddings + layers
    };
    let token_head = |input: usize, encoder: &EncoderConfig| {
        let width = encoder.embedding_size;
        (input * width + 3 * width + encoder.vocab_size) as u64
    };
    let guesser = match config.generator_kind() {
        Kind::Own => of_generator() + token_head(generator.hidden_size, &generator),
        Kind::TwoTowers => 2 * of_generator() + token_head(2 * generator.hidden_size, &generator),
        Kind::Shared => token_head(discriminator.hidden_size, &discriminator),
        Kind::Uniform => 0,
    };
    let hidden = discriminator.hidden_size as u64;
    let head = match config.has_discriminator() {
        true => (hidden + 1) * hidden + hidden + 1,
        false => 0,
    };
    embeddings + own + guesser + head
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        model::{parameters::ParameterSource, record::for_each_parameter},
        pretrain::networks::Networks,
    };

    fn config(given: Value) -> PretrainConfig {
        let resolved =
            PretrainConfig::resolve("d".as_ref(), "m", given.as_object().unwrap()).unwrap();
        resolved.0
    }

    fn footprint(config: &PretrainConfig) -> PretrainFootprint<'_> {
        PretrainFootprint::new(config, Arithmetic::default(), OptimizerMoments::F32)
    }

    fn within(budget: u64) -> MemoryLimits {
        MemoryLimits {
            budget: Some(budget),
            ..MemoryLimits::default()
        }
    }

    #[test]
    fn parameters_are_those_of_the_networks() {
        for given in [
            json!({}),
            json!({"generator_hidden_size": 0.25}),
            json!({"untied_generator_embeddings": true}),
            json!({"untied_generator": false}),
            json!({"uniform_generator": true}),
            json!({"two_tower_generator": true}),
            json!({"electra_objective": false}),
        ] {
            let mut all = json!({
                "vocab_size": 60, "embedding_size": 32, "generator_hidden_size": 0.5,
                "max_seq_length": 16,
                "model_hparam_overrides": {"hidden_size": 64, "num_hidden_layers": 2,
                    "max_position_embeddings": 20},
            });
            all.as_object_mut()
                .unwrap()
                .extend(given.as_object().unwrap().clone());
            let config = config(all);
            let mut source = ParameterSource::new(Device::flex(), 1, None);
            let networks = Networks::new(&mut source, &config).unwrap();
            let mut counted = 0;
            for_each_parameter(&networks, &[], |parameter| {
                counted += parameter.shape.iter().product::<usize>() as u64;
            });
            assert_eq!(footprint(&config).parameters(), counted, "{given}");
        }
    }

    #[test]
    fn without_a_limit_some_thousand_tokens_are_computed_at_once() {
        for (given, expected) in [
            (json!({}), 64),
            (json!({"max_seq_length": 512}), 16),
            (json!({"train_batch_size": 24}), 24),
            (json!({"micro_batch_size": 100}), 100),
        ] {
            let config = config(given.clone());
            let plan = footprint(&config).plan(MemoryLimits::default()).unwrap();
            assert_eq!(plan.micro_batch_size, expected, "{given}");
            assert!(!plan.recompute_layers);
            assert_eq!(line(plan, &config, MemoryLimits::default()), None);
        }
    }

    #[test]
    fn a_slow_device_computes_fewer_tokens_at_once_and_a_fast_one_no_more() {
        let config = config(json!({}));
        for (tokens, expected) in [(1_000, 7), (100, 1), (1 << 20, 64)] {
            let limits = MemoryLimits {
                tokens: Some(tokens),
                ..within(64 << 30)
            };
            let plan = footprint(&config).plan(limits).unwrap();
            assert_eq!(plan.micro_batch_size, expected, "{tokens}");
            // The cause is not lack of memory.
            assert_eq!(line(plan, &config, limits), None);
        }
    }

    #[test]
    fn a_small_budget_splits_the_batch_and_one_that_is_too_small_is_refused() {
        let config = config(
            json!({"model_size": "base", "generator_hidden_size": 0.33333,
            "max_seq_length": 512, "train_batch_size": 256}),
        );
        let footprint = footprint(&config);
        // 109 million parameters of the discriminator; of the generator 0.2 for the projection, 12 layers of
        // 0.79, and 0.23 for its head; 16 bytes each.
        let parameters = footprint.parameters();
        assert!(
            (119_000_000..121_000_000).contains(&parameters),
            "{parameters}"
        );
        let whole = footprint.plan(within(64 << 30)).unwrap();
        assert_eq!(
            (whole.micro_batch_size, whole.recompute_layers),
            (16, false)
        );
        assert_eq!(line(whole, &config, within(64 << 30)), None);
        let limits = within(4 << 30);
        let split = footprint.plan(limits).unwrap();
        assert!(split.bytes <= 4 << 30, "{split:?}");
        assert!(
            split.recompute_layers || split.micro_batch_size < 16,
            "{split:?}"
        );
        let told = line(split, &config, limits).unwrap();
        assert!(
            told.starts_with("memory: ") && told.contains("of 4 GiB for a step of both networks; "),
            "{told}"
        );
        let refused = footprint.plan(within(1 << 30)).unwrap_err().to_string();
        assert!(
            refused.contains("one example of 512 tokens")
                && refused.contains("generator_hidden_size"),
            "{refused}"
        );
        let asked = PretrainConfig {
            micro_batch_size: Some(64),
            ..config.clone()
        };
        let refused = super::tests::footprint(&asked).plan(limits).unwrap_err();
        let refused = refused.to_string();
        assert!(
            refused.contains("a step of 64 examples of 512 tokens at once needs")
                && refused.contains("the budget is 4 GiB")
                && refused.contains("lower micro_batch_size"),
            "{refused}"
        );
    }

    #[test]
    fn a_probe_is_counted_where_it_holds_more_than_a_step() {
        let [plain, probed] = [json!({}), json!({"probe": "rte"})].map(config);
        let needed =
            |config: &PretrainConfig, examples: usize| footprint(config).needed(examples, false);
        // One example: the copy's 13.5 million parameters with moments and gradients, 216 MB, and 10 MB for a
        // head, minus 57 MB of the networks' gradients and 31 MB of their tables; plus a reserve of 5 %.
        let more = needed(&probed, 1) - needed(&plain, 1);
        assert!((120_000_000..160_000_000).contains(&more), "{more}");
        // 64 at once: a probe computes 32.
        assert_eq!(needed(&probed, 64), needed(&plain, 64));
        let off = PretrainConfig {
            probe_every: 0,
            ..probed.clone()
        };
        assert_eq!(needed(&off, 1), needed(&plain, 1));
        // Too little for the copy, enough for a step.
        let limits = within(needed(&plain, 1));
        assert!(footprint(&plain).plan(limits).is_ok());
        let refused = footprint(&probed).plan(limits).unwrap_err().to_string();
        assert!(refused.contains("or leave probe out"), "{refused}");
    }

    #[test]
    fn the_network_that_holds_more_decides() {
        let of = |part: f64| {
            let config = config(json!({"generator_hidden_size": part}));
            let footprint = footprint(&config);
            let tokens = 64 * 128;
            let guesses = footprint.guessing(64, tokens, false);
            (guesses, footprint.discriminating(tokens, false))
        };
        // A quarter of the width, and the scores of 64 × 19 slots, which are split into blocks.
        let (guesses, discriminates) = of(0.25);
        assert!(guesses < discriminates, "{guesses} {discriminates}");
        let (guesses, discriminates) = of(1.0);
        assert!(guesses > discriminates, "{guesses} {discriminates}");
        let scores = OF_SCORES * FLOAT * SCORES_AT_ONCE;
        assert!(guesses > scores + discriminates / 2);
    }
}
