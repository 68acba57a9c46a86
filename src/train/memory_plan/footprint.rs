//! The bytes of a training step, part by part.

use super::{MemoryLimits, MemoryPlan, TooLarge, Wanted};
use crate::{
    config::{EncoderConfig, GradientCheckpointing, OptimizerMoments},
    kernels::{
        adam::block_moments,
        formats::Element,
        layer_norm::{config::NormPass, shares::AT_ONCE},
    },
    model::arithmetic::Arithmetic,
    tasks::head,
};

const FLOAT: u64 = size_of::<f32>() as u64;

/// Memory reserved by the allocator as a percentage of the live tensors: pages are not all full.
const ALLOCATOR_PERCENT: u64 = 105;

/// The page from which a GPU's allocator takes buffers of at most 64 KiB (biases, norms, sums), reserved with
/// the first of them. Those of ELECTRA-Large, 5 MB with moments and gradients, fit in one.
const SMALL_BUFFERS: u64 = 8 << 20;

/// The most that an allocator reserves for tensors of `held` bytes.
pub fn reserved(held: u64) -> u64 {
    (held.saturating_mul(ALLOCATOR_PERCENT) / 100).saturating_add(SMALL_BUFFERS)
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
