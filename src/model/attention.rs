//! Multi-head self-attention with its output layer, residual and LayerNorm (BERT, post-norm).

use burn::{Tensor, module::Module, tensor::activation::softmax};

use super::{
    dense::Dense,
    dropout::{Mode, dropout},
    initialiser::Initialiser,
    layer_norm::LayerNorm,
    parameters::{Error, ParameterSource},
};
use crate::config::EncoderConfig;

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

    /// `hidden` `[batch · seq, hidden]`, `bias` `[batch, 1, 1, seq]` (−10000 on padded keys) →
    /// `[batch · seq, hidden]`
    pub fn forward(&self, hidden: Tensor<2>, bias: Tensor<4>, mode: Mode) -> Tensor<2> {
        let [tokens, size] = hidden.dims();
        let [batch, _, _, seq] = bias.dims();
        let head_size = size / self.heads;
        // [batch · seq, hidden] → [batch, heads, seq, head]
        let split = |rows: Tensor<2>| {
            rows.reshape([batch, seq, self.heads, head_size])
                .swap_dims(1, 2)
        };
        let query = split(self.query.forward(hidden.clone()));
        let key = split(self.key.forward(hidden.clone()));
        let value = split(self.value.forward(hidden.clone()));

        let scale = 1.0 / (head_size as f64).sqrt();
        // [batch, heads, seq, seq]
        let scores = query.matmul(key.swap_dims(2, 3)) * scale + bias;
        let probabilities = dropout(softmax(scores, 3), self.probability_dropout, mode);
        let context = probabilities
            .matmul(value)
            .swap_dims(1, 2)
            .reshape([tokens, size]);

        let output = dropout(self.output.forward(context), self.hidden_dropout, mode);
        self.layer_norm.forward(output + hidden)
    }
}

/// The term added to attention scores: 0 on real keys, −10000 on padded ones.
///
/// `[batch, seq]` → `[batch, 1, 1, seq]`
pub fn padding_bias(input_mask: Tensor<2>) -> Tensor<4> {
    let [batch, seq] = input_mask.dims();
    ((input_mask - 1.0) * 10_000.0).reshape([batch, 1, 1, seq])
}
