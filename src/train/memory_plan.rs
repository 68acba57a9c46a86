//! How a batch is split so that a training step fits a memory budget.
//!
//! A step holds weights, two moments and gradients of every trained parameter, whatever the batch;
//! and activations in proportion to the tokens computed at once. If they do not fit, layers are recomputed in
//! the backward pass (a third more work), and the batch is split into micro-batches whose gradients are
//! summed.

use std::fmt;

use crate::{
    config::{EncoderConfig, GradientCheckpointing, OptimizerMoments},
    counted::counted,
    device::ByteSize,
    kernels::{
        adam::block_moments,
        formats::Element,
        layer_norm::{config::NormPass, shares::AT_ONCE},
    },
    model::arithmetic::Arithmetic,
    tasks::head,
};

const FLOAT: u64 = size_of::<f32>() as u64;

/// A GPU is idle with fewer tokens than this at once, so recomputing layers is the better trade.
const FEW_TOKENS: u64 = 2_048;

/// Memory reserved by the allocator as a percentage of the live tensors: pages are not all full.
const ALLOCATOR_PERCENT: u64 = 105;

/// The page from which a GPU's allocator takes buffers of at most 64 KiB (biases, norms, sums), reserved with
/// the first of them. Those of ELECTRA-Large, 5 MB with moments and gradients, fit in one.
const SMALL_BUFFERS: u64 = 8 << 20;

/// What a device can hold, in bytes unless stated otherwise; `None` if unknown or unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Total for training.
    pub budget: Option<u64>,
    /// For one tensor.
    pub tensor: Option<u64>,
    /// Tokens at once; more would take a slow device so long that its driver aborts the launch.
    pub tokens: Option<usize>,
}

/// How a batch is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Features in a micro-batch.
    pub micro_batch_size: usize,
    /// Whether to keep only each layer's input and recompute the rest.
    pub recompute_layers: bool,
    /// Maximum bytes of a step.
    pub bytes: u64,
}

/// Why not even the smallest micro-batch fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// What a step computes, and how many at once.
    row: &'static str,
    rows: usize,
    tokens: usize,
    needed: u64,
    limit: Limit,
    /// Other ways to need less memory.
    advice: &'static str,
}

/// The limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Budget(u64),
    /// The device's largest tensor.
    Tensor(u64),
}

impl fmt::Display for TooLarge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, rows, tokens) = (self.row, self.rows, counted(self.tokens, "token"));
        let needed = ByteSize(self.needed);
        match rows {
            1 => write!(out, "a step of one {row} of {tokens} needs {needed}")?,
            _ => write!(
                out,
                "a step of {rows} {row}s of {tokens} at once needs {needed}"
            )?,
        }
        match self.limit {
            Limit::Budget(budget) => write!(
                out,
                " but the budget is {}; raise --memory-budget, ",
                ByteSize(budget)
            )?,
            Limit::Tensor(most) => write!(
                out,
                " in one tensor but the device's largest is {}; ",
                ByteSize(most)
            )?,
        }
        match rows {
            1 => write!(out, "lower max_seq_length, or {}", self.advice),
            _ => write!(
                out,
                "lower micro_batch_size, or leave it out for as many as fit"
            ),
        }
    }
}

impl std::error::Error for TooLarge {}

/// The most that an allocator reserves for tensors of `held` bytes.
pub fn reserved(held: u64) -> u64 {
    (held.saturating_mul(ALLOCATOR_PERCENT) / 100).saturating_add(SMALL_BUFFERS)
}

/// A batch to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub batch: usize,
    /// Tokens of the longest row.
    pub longest: usize,
    pub checkpointing: GradientCheckpointing,
    /// Requested micro-batch size.
    pub micro_batch_size: Option<usize>,
}

/// What a training step consists of.
#[derive(Debug, Clone)]
pub struct Footprint<'a> {
    pub encoder: &'a EncoderConfig,
    /// How the layers compute.
    pub arithmetic: Arithmetic,
    /// Format of the optimiser's moments.
    pub moments: OptimizerMoments,
    /// Total number of parameters.
    pub parameters: u64,
    /// Number of trained parameters.
    pub trained: u64,
    /// Layers that are trained.
    pub trained_layers: usize,
    /// Tokens of the longest feature.
    pub longest: usize,
}

impl Footprint<'_> {
    /// Bytes that stay alive throughout a step: weights, moments, gradients, and a second copy of the largest
    /// parameter's gradient while it is summed.
    pub fn state(&self) -> u64 {
        let table = (self.encoder.vocab_size * self.encoder.embedding_size) as u64;
        let copies = match (self.arithmetic.layers, self.arithmetic.bf16) {
            (Element::F32, None) => 0,
            (Element::F16, _) => 2 * self.parameters,
            // Packed for each direction.
            (Element::F32, Some(_)) => 4 * self.parameters,
        };
        copies + self.moments() + FLOAT * (self.parameters + self.trained + table)
    }

    /// Bytes of the moments. With 8 bits, those of the tables and of the layers' vectors stay f32; so do
    /// those of the heads' few vectors, which are not counted.
    fn moments(&self) -> u64 {
        if self.moments != OptimizerMoments::EightBit {
            return self.moments.bytes() * self.trained;
        }
        let encoder = self.encoder;
        let entries =
            encoder.vocab_size + encoder.max_position_embeddings + encoder.type_vocab_size;
        let tables = match self.trained == self.parameters {
            true => entries * encoder.embedding_size,
            false => 0,
        };
        let vectors = self.trained_layers * (9 * encoder.hidden_size + encoder.intermediate_size);
        let whole = ((tables + vectors) as u64).min(self.trained);
        let words = block_moments::words((self.trained - whole) as usize);
        OptimizerMoments::F32.bytes() * whole + size_of::<u32>() as u64 * words as u64
    }

    /// Bytes of the activations of `tokens` tokens at their peak: the backward pass of the heads, or that of
    /// a layer.
    pub fn activations(&self, tokens: u64, recompute_layers: bool) -> u64 {
        let size = self.arithmetic.layers.size() as u64;
        let hidden = self.encoder.hidden_size as u64;
        // The heads' inner layer and its gradient; the hidden states, the four parts of their gradient and
        // its sum.
        let heads = size * (2 * head::HIDDEN as u64 + 6 * hidden);
        // The states arrive from the encoder, and their gradient returns to it, in f32.
        let passed = match self.arithmetic.layers {
            Element::F32 => 0,
            Element::F16 => 2 * FLOAT * hidden,
        };
        self.activations_with(heads + passed, tokens, recompute_layers)
    }

    /// The same if the backward pass of whatever follows the encoder needs `heads` bytes per token.
    pub fn activations_with(&self, heads: u64, tokens: u64, recompute_layers: bool) -> u64 {
        let size = self.arithmetic.layers.size() as u64;
        let hidden = self.encoder.hidden_size as u64;
        let inner = self.encoder.intermediate_size as u64;
        let layers = self.trained_layers as u64;
        // Kept for the backward pass of a layer: its input, queries, keys, values, context, both
        // sums before the layer norms, the first norm's result, and the inner layer before and
        // after its activation.
        let layer = size * (8 * hidden + 2 * inner);
        // Temporaries of a layer: gradients, one of the inner width and four of the hidden; or two of the
        // hidden width beside f32 copies of both operands, one of them transposed too.
        let passing = match self.widens() {
            false => size * (inner + 4 * hidden),
            true => size * 2 * hidden + FLOAT * (2 * inner + hidden),
        };
        // Partial sums of the layer norms' gradients before their reduction: two rows per slice of the
        // tokens.
        let waiting = AT_ONCE as u64 * 2 * FLOAT * hidden / NormPass::SLICE as u64;
        let passing = passing + waiting;
        // The largest left and right operands as bf16, which are kept.
        let packed = match self.arithmetic.bf16 {
            None => 0,
            Some(_) => 2 * (inner + inner.max(hidden)),
        };
        let (kept, computed) = if recompute_layers {
            (size * layers * hidden, layer + passing)
        } else {
            (layers * layer, passing)
        };
        tokens.saturating_mul(kept + packed + heads.max(computed))
    }

    /// Whether Burn's own matmul may compute the gradient of a weight from f16 operands, which it copies to
    /// f32.
    fn widens(&self) -> bool {
        let forms = self.arithmetic.half.left_transposed;
        let is_burns = forms.small.is_none() || forms.large.is_none();
        self.arithmetic.layers == Element::F16 && is_burns
    }

    /// Bytes of a step with micro-batches of `features` features.
    pub fn needed(&self, features: usize, recompute_layers: bool) -> u64 {
        let tokens = (features * self.longest) as u64;
        let activations = self.activations(tokens, recompute_layers);
        reserved(self.state().saturating_add(activations))
    }

    /// Bytes of the largest activation of `features` features.
    pub fn largest_activation(&self, features: usize) -> u64 {
        let size = match self.widens() {
            false => self.arithmetic.layers.size(),
            true => size_of::<f32>(),
        };
        let inner = size * self.encoder.intermediate_size;
        let widest = inner.max(size_of::<f32>() * self.encoder.hidden_size.max(head::HIDDEN));
        (features * self.longest * widest) as u64
    }

    /// The plan for batches of `batch` features: the largest micro-batch that fits, with recomputed layers if
    /// it would otherwise be too small. Without limits, the whole batch.
    pub fn plan(
        &self,
        batch: usize,
        limits: MemoryLimits,
        checkpointing: GradientCheckpointing,
        micro_batch_size: Option<usize>,
    ) -> Result<MemoryPlan, TooLarge> {
        let wanted = Wanted {
            batch,
            longest: self.longest,
            checkpointing,
            micro_batch_size,
        };
        let needed = |features, recompute_layers| self.needed(features, recompute_layers);
        let largest = |features| self.largest_activation(features);
        let plan = wanted.fit(limits, &needed, &largest);
        plan.ok_or_else(|| {
            let named = ("feature", "set trainable_layers to train fewer layers");
            wanted.too_large(limits, &needed, &largest, named)
        })
    }
}

impl Wanted {
    /// The largest micro-batch that fits, with recomputed layers if it would otherwise be too small; the
    /// whole batch without limits. `needed` gives the bytes of a step for a micro-batch size, with or without
    /// recomputation, and `largest` those of its largest tensor. `None` if not even one row fits.
    pub fn fit(
        self,
        limits: MemoryLimits,
        needed: &dyn Fn(usize, bool) -> u64,
        largest: &dyn Fn(usize) -> u64,
    ) -> Option<MemoryPlan> {
        let Self {
            longest,
            checkpointing,
            micro_batch_size,
            ..
        } = self;
        let batch = self.batch.max(1);
        let most = limits
            .tokens
            .map_or(batch, |tokens| tokens / longest.max(1));
        let most = most.clamp(1, batch);
        let plan = |micro_batch_size: usize, recompute_layers: bool| MemoryPlan {
            micro_batch_size,
            recompute_layers,
            bytes: needed(micro_batch_size, recompute_layers),
        };
        let fits = |plan: &MemoryPlan| {
            let largest = largest(plan.micro_batch_size);
            limits.budget.is_none_or(|budget| plan.bytes <= budget)
                && limits.tensor.is_none_or(|tensor| largest <= tensor)
        };
        let largest = |recompute_layers: bool| {
            let sizes = match micro_batch_size {
                Some(size) => size.min(batch)..=size.min(batch),
                None => 1..=most,
            };
            sizes
                .rev()
                .map(|size| plan(size, recompute_layers))
                .find(fits)
        };
        let whole = (checkpointing != GradientCheckpointing::On)
            .then(|| largest(false))
            .flatten();
        let recomputed = (checkpointing != GradientCheckpointing::Off)
            .then(|| largest(true))
            .flatten();
        let enough = |plan: &MemoryPlan| {
            let tokens = (plan.micro_batch_size * longest) as u64;
            plan.micro_batch_size == most || micro_batch_size.is_some() || tokens >= FEW_TOKENS
        };
        whole.filter(enough).or(recomputed).or(whole)
    }

    /// Why [`fit`](Self::fit) found no plan with the same arguments, for a message: `row` is what a row is
    /// called, and `advice` another way to need less.
    pub fn too_large(
        self,
        limits: MemoryLimits,
        needed: &dyn Fn(usize, bool) -> u64,
        largest: &dyn Fn(usize) -> u64,
        (row, advice): (&'static str, &'static str),
    ) -> TooLarge {
        let rows = self.micro_batch_size.unwrap_or(1).min(self.batch.max(1));
        let step = needed(rows, self.checkpointing != GradientCheckpointing::Off);
        let (needed, limit) = match (limits.budget, limits.tensor) {
            (Some(budget), _) if step > budget => (step, Limit::Budget(budget)),
            (_, Some(tensor)) => (largest(rows), Limit::Tensor(tensor)),
            (budget, None) => (step, Limit::Budget(budget.unwrap_or_default())),
        };
        TooLarge {
            row,
            rows,
            tokens: self.longest,
            needed,
            limit,
            advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config::Config,
        kernels::matmul::{MatmulTilings, bf16::Instructions, config::MatmulTiling},
    };

    fn encoder(size: &str) -> EncoderConfig {
        let mut given = serde_json::Map::new();
        given.insert("task_names".into(), json!(["squad"]));
        given.insert("model_size".into(), json!(size));
        let resolved = Config::resolve("d".as_ref(), "m", &given);
        resolved.unwrap().0.encoder()
    }

    fn within(budget: Option<u64>) -> MemoryLimits {
        MemoryLimits {
            budget,
            ..MemoryLimits::default()
        }
    }

    #[test]
    fn a_slow_device_gets_no_more_at_once_than_it_computes_in_time() {
        let encoder = encoder("large");
        let plan = |tokens, given| {
            let limits = MemoryLimits {
                tokens: Some(tokens),
                ..MemoryLimits::default()
            };
            let plan = large(&encoder).plan(32, limits, GradientCheckpointing::Auto, given);
            let plan = plan.unwrap();
            assert!(!plan.recompute_layers, "that saves no time");
            plan.micro_batch_size
        };
        assert_eq!(plan(1_600, None), 3);
        assert_eq!(plan(100, None), 1);
        assert_eq!(plan(1 << 30, None), 32);
        assert_eq!(plan(100, Some(8)), 8, "as it was asked for");
    }

    #[test]
    fn no_tensor_is_larger_than_the_device_takes() {
        let encoder = encoder("large");
        let limits = MemoryLimits {
            tensor: Some(128 << 20),
            ..MemoryLimits::default()
        };
        let footprint = large(&encoder);
        let plan = footprint
            .plan(32, limits, GradientCheckpointing::Auto, None)
            .unwrap();
        // 16 × 512 tokens of 4096 values of four bytes.
        assert_eq!(plan.micro_batch_size, 16);
        assert_eq!(footprint.largest_activation(16), 128 << 20);
    }

    /// ELECTRA-Large at 512 tokens on one GPU.
    fn large(encoder: &EncoderConfig) -> Footprint<'_> {
        Footprint {
            encoder,
            arithmetic: Arithmetic::default(),
            moments: OptimizerMoments::F32,
            parameters: 336_000_000,
            trained: 336_000_000,
            trained_layers: 24,
            longest: 512,
        }
    }

    #[test]
    fn large_fits_eight_gibibytes_whole() {
        let encoder = encoder("large");
        let footprint = large(&encoder);
        let budget = 8 << 30;
        let plan = footprint
            .plan(32, within(Some(budget)), GradientCheckpointing::Auto, None)
            .unwrap();
        assert!(plan.recompute_layers && plan.bytes <= budget, "{plan:?}");
        assert!(plan.micro_batch_size >= 4, "{plan:?}");
    }

    #[test]
    fn large_fits_six_gibibytes_with_moments_in_bfloat16() {
        let encoder = encoder("large");
        let whole = large(&encoder);
        let halved = Footprint {
            moments: OptimizerMoments::Bf16,
            ..whole.clone()
        };
        assert_eq!(whole.state() - halved.state(), 4 * 336_000_000);
        // What such a card has, less what a desktop and its driver take.
        let budget = within(Some(5 << 30));
        let plan =
            |footprint: &Footprint| footprint.plan(32, budget, GradientCheckpointing::Auto, None);
        assert!(plan(&whole).is_err());
        let plan = plan(&halved).unwrap();
        assert!(
            plan.recompute_layers && plan.micro_batch_size >= 2,
            "{plan:?}"
        );
    }

    #[test]
    fn large_fits_four_gibibytes_with_moments_in_eight_bits() {
        let encoder = encoder("large");
        let [whole, halved, eight_bit] = [
            OptimizerMoments::F32,
            OptimizerMoments::Bf16,
            OptimizerMoments::EightBit,
        ]
        .map(|moments| Footprint {
            moments,
            ..large(&encoder)
        });
        // The tables and 24 × (9 × 1,024 + 4,096) values of vectors stay f32: 31,036 × 1,024 + 319,488 of
        // 336,000,000. The others are 296,777 blocks of 514 words instead of 1,024 values of 8 bytes.
        assert_eq!(whole.state() - eight_bit.state(), 296_777 * (8_192 - 2_056));
        let plan = |footprint: &Footprint, gibibytes: u64| {
            let budget = within(Some(gibibytes << 30));
            footprint.plan(32, budget, GradientCheckpointing::Auto, None)
        };
        assert!(plan(&halved, 4).is_err());
        assert!(plan(&eight_bit, 4).unwrap().micro_batch_size >= 2);
        // A larger micro-batch fits in five than with moments in bfloat16.
        let at_once = |footprint| plan(footprint, 5).unwrap().micro_batch_size;
        assert!(at_once(&eight_bit) >= at_once(&halved) + 3);
        // Frozen layers are not counted: the top layer has 12,582,912 values in matrices.
        let top = |moments| Footprint {
            moments,
            trained: 12_596_224,
            trained_layers: 1,
            ..large(&encoder)
        };
        let saved = top(OptimizerMoments::F32).state() - top(OptimizerMoments::EightBit).state();
        assert_eq!(saved, 12_288 * (8_192 - 2_056));
    }

    #[test]
    fn a_large_card_recomputes_nothing_and_an_unknown_one_computes_all_at_once() {
        let encoder = encoder("large");
        let footprint = large(&encoder);
        let plan = |budget| {
            footprint
                .plan(32, within(budget), GradientCheckpointing::Auto, None)
                .unwrap()
        };
        for plan in [plan(Some(80 << 30)), plan(None)] {
            assert!(
                !plan.recompute_layers && plan.micro_batch_size == 32,
                "{plan:?}"
            );
        }
    }

    #[test]
    fn f16_halves_activations_unless_burn_widens_them() {
        let encoder = encoder("large");
        let activations = |layers, half| {
            let arithmetic = Arithmetic {
                layers,
                half,
                ..Arithmetic::default()
            };
            let footprint = Footprint {
                arithmetic,
                ..large(&encoder)
            };
            footprint.activations(512, true)
        };
        let shaders = MatmulTilings::all(MatmulTiling::Tiled { quarters: 1 });
        let full = activations(Element::F32, shaders);
        // Except the layer norms' partial sums, which are f32 in both.
        let shares = 512 * AT_ONCE as u64 * 2 * FLOAT * 1024 / NormPass::SLICE as u64;
        let half = (full - shares) / 2 + shares;
        assert_eq!(activations(Element::F16, shaders), half);
        let widened = activations(Element::F16, MatmulTilings::BURNS);
        assert!(half < widened && widened < full, "{widened} of {full}");
    }

    #[test]
    fn packed_operands_in_bf16_are_counted() {
        let encoder = encoder("large");
        let full = large(&encoder);
        let mut packed = full.clone();
        packed.arithmetic.bf16 = Some(Instructions::Plain);
        // Both directions of each weight; and of an activation of the inner width and its gradient.
        assert_eq!(packed.state() - full.state(), 2 * 2 * 336_000_000);
        let more = packed.activations(512, true) - full.activations(512, true);
        assert_eq!(more, 512 * 2 * 2 * 4096);
    }

    #[test]
    fn what_was_asked_for_is_kept() {
        let encoder = encoder("large");
        let footprint = large(&encoder);
        let plan =
            |checkpointing, micro| footprint.plan(32, within(Some(24 << 30)), checkpointing, micro);
        let on = plan(GradientCheckpointing::On, Some(2)).unwrap();
        assert_eq!((on.recompute_layers, on.micro_batch_size), (true, 2));
        let off = plan(GradientCheckpointing::Off, None).unwrap();
        assert!(!off.recompute_layers && off.micro_batch_size < 32);
    }

    #[test]
    fn a_size_that_was_asked_for_is_refused_with_what_it_needs() {
        let encoder = encoder("large");
        let footprint = large(&encoder);
        let refused = |limits, micro| {
            let plan = footprint.plan(32, limits, GradientCheckpointing::Auto, micro);
            plan.unwrap_err().to_string()
        };
        let budget = within(Some(8 << 30));
        assert!(footprint.needed(1, true) < 8 << 30);
        let needed = footprint.needed(32, true);
        assert!(needed > 8 << 30);
        assert_eq!(
            refused(budget, Some(100)),
            format!(
                "a step of 32 features of 512 tokens at once needs {} but the budget is 8 GiB; raise \
                 --memory-budget, lower micro_batch_size, or leave it out for as many as fit",
                ByteSize(needed)
            )
        );
        // A row's inner layer has 512 × 4096 values of four bytes, 8 MiB.
        let tensor = MemoryLimits {
            tensor: Some(4 << 20),
            ..MemoryLimits::default()
        };
        assert_eq!(
            refused(tensor, None),
            "a step of one feature of 512 tokens needs 8 MiB in one tensor but the device's largest is \
             4 MiB; lower max_seq_length, or set trainable_layers to train fewer layers"
        );
    }

    #[test]
    fn a_budget_below_the_parameters_is_refused_with_both_sizes() {
        let encoder = encoder("large");
        let refused =
            large(&encoder).plan(32, within(Some(4 << 30)), GradientCheckpointing::Auto, None);
        let message = refused.unwrap_err().to_string();
        assert!(
            message.contains("512 tokens") && message.contains("4 GiB"),
            "{message}"
        );
    }
}
