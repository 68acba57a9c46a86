//! An encoder's shape as stored in a record's config.json.

use checkpoints_convert::ModelShape;

use crate::config::EncoderConfig;

pub fn shape(encoder: &EncoderConfig) -> ModelShape {
    ModelShape {
        vocab_size: encoder.vocab_size,
        embedding_size: encoder.embedding_size,
        hidden_size: encoder.hidden_size,
        num_hidden_layers: encoder.num_hidden_layers,
        num_attention_heads: encoder.num_attention_heads,
        intermediate_size: encoder.intermediate_size,
        max_position_embeddings: encoder.max_position_embeddings,
        type_vocab_size: encoder.type_vocab_size,
        hidden_act: "gelu".to_owned(),
        hidden_dropout_prob: encoder.hidden_dropout_prob,
        attention_probs_dropout_prob: encoder.attention_probs_dropout_prob,
        initializer_range: encoder.initializer_range,
        layer_norm_eps: encoder.layer_norm_eps,
    }
}
