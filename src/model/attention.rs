//! Multi-head self-attention with its output layer, residual and LayerNorm (BERT, post-norm).

use burn::{Tensor, module::Module};

use super::{
    dense::Dense,
    dropout::{Mode, Site},
    initialiser::Initialiser,
    layer_norm::LayerNorm,
    packing::Sequences,
    parameters::{Error, ParameterSource},
};
use crate::{config::EncoderConfig, kernels::attention::attention};

#[derive(Module, Debug)]
pub struct Attention {
    pub query: Dense,
    pub key: Dense,
    pub value: Dense,
    pub output: Dense,
    pub layer_norm: LayerNorm,
    pub heads: usize,
    pub probability_dropout: f64,
    pub hidden_dropout: f64,
}

impl Attention {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        source.within("attention", |source| {
            let size = config.hidden_size;
            let kernel = Initialiser::TruncatedNormal(config.initializer_range);
            Ok(Self {
                query: Dense::new(source, "query", [size, size], kernel)?,
                key: Dense::new(source, "key", [size, size], kernel)?,
                value: Dense::new(source, "value", [size, size], kernel)?,
                output: Dense::new(source, "output", [size, size], kernel)?,
                layer_norm: LayerNorm::new(source, size, config.layer_norm_eps)?,
                heads: config.num_attention_heads,
                probability_dropout: config.attention_probs_dropout_prob,
                hidden_dropout: config.hidden_dropout_prob,
            })
        })
    }

    /// `[tokens, hidden]` → `[tokens, hidden]`; `layer` is this layer's number.
    pub fn forward(
        &self,
        hidden: Tensor<2>,
        sequences: &Sequences,
        layer: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let context = attention(
            self.query.forward(hidden.clone()),
            self.key.forward(hidden.clone()),
            self.value.forward(hidden.clone()),
            sequences,
            self.heads,
            mode.mask(Site::Probabilities(layer), self.probability_dropout),
        );
        self.layer_norm.forward(
            self.output.forward(context),
            hidden,
            sequences,
            mode.mask(Site::AttentionOutput(layer), self.hidden_dropout),
        )
    }
}
