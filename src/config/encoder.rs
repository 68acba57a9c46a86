//! The encoder's shape: that of the model size, with the overrides applied.
//!
//! Reproduces `get_bert_config` of the reference's `training_utils.py` and the tiny model of its
//! debug mode. The number of heads and the feed-forward width are derived from the hidden size,
//! overridden or not, unless they are overridden themselves.

use serde::{Deserialize, Serialize};

use super::table::Config;

/// Epsilon of the reference's layer norms, which has no hyper-parameter there.
pub const LAYER_NORM_EPS: f64 = 1e-12;

/// The shape of the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the embeddings; if it differs from `hidden_size`, they are projected.
    pub embedding_size: usize,
    /// Width of the layers.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads per layer; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of positions that have an embedding.
    pub max_position_embeddings: usize,
    /// Number of segments that have an embedding.
    pub type_vocab_size: usize,
    /// Dropout after embeddings and dense layers.
    pub hidden_dropout_prob: f64,
    /// Dropout of the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Standard deviation of newly initialised weights.
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
}

impl Config {
    /// Returns the shape of the encoder that this configuration describes.
    pub fn encoder(&self) -> EncoderConfig {
        let given = &self.model_hparam_overrides;
        // In debug mode the reference ignores overrides; here they win, as given keys do elsewhere.
        let (hidden, layers) = if self.debug {
            (144, 3)
        } else {
            self.model_size.shape()
        };
        let hidden_size = given.hidden_size.unwrap_or(hidden);
        let heads = if self.debug && given.hidden_size.is_none() {
            4
        } else {
            (hidden_size / 64).max(1)
        };
        EncoderConfig {
            vocab_size: given.vocab_size.unwrap_or(self.vocab_size),
            embedding_size: self.embedding_size.unwrap_or(hidden_size),
            hidden_size,
            num_hidden_layers: given.num_hidden_layers.unwrap_or(layers),
            num_attention_heads: given.num_attention_heads.unwrap_or(heads),
            intermediate_size: given
                .intermediate_size
                .unwrap_or(hidden_size.saturating_mul(4)),
            max_position_embeddings: given.max_position_embeddings.unwrap_or(512),
            type_vocab_size: given.type_vocab_size.unwrap_or(2),
            hidden_dropout_prob: given.hidden_dropout_prob.unwrap_or(0.1),
            attention_probs_dropout_prob: given.attention_probs_dropout_prob.unwrap_or(0.1),
            initializer_range: given.initializer_range.unwrap_or(0.02),
            layer_norm_eps: given.layer_norm_eps.unwrap_or(LAYER_NORM_EPS),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn encoder(mut given: Value) -> EncoderConfig {
        given["task_names"] = json!(["squad"]);
        let given = given.as_object().unwrap();
        Config::resolve(Path::new("d"), "m", given)
            .unwrap()
            .0
            .encoder()
    }

    /// Returns embedding size, hidden size, layers, heads and feed-forward width.
    fn sizes(given: Value) -> [usize; 5] {
        let e = encoder(given);
        [
            e.embedding_size,
            e.hidden_size,
            e.num_hidden_layers,
            e.num_attention_heads,
            e.intermediate_size,
        ]
    }

    #[test]
    fn released_sizes() {
        assert_eq!(
            sizes(json!({"model_size": "small"})),
            [128, 256, 12, 4, 1024]
        );
        assert_eq!(
            sizes(json!({"model_size": "base"})),
            [768, 768, 12, 12, 3072]
        );
        assert_eq!(
            sizes(json!({"model_size": "large"})),
            [1024, 1024, 24, 16, 4096]
        );
    }

    #[test]
    fn everything_else_is_bert_s() {
        let expected = json!({
            "vocab_size": 30522, "embedding_size": 1024, "hidden_size": 1024,
            "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
            "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02,
            "layer_norm_eps": 1e-12,
        });
        let large = encoder(json!({"model_size": "large"}));
        assert_eq!(serde_json::to_value(&large).unwrap(), expected);
        assert_eq!(
            serde_json::from_value::<EncoderConfig>(expected).unwrap(),
            large
        );
    }

    #[test]
    fn heads_and_width_follow_an_overridden_hidden_size() {
        let given = json!({
            "model_size": "large",
            "model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 4},
        });
        assert_eq!(sizes(given), [128, 128, 4, 2, 512]);
        let given = json!({"model_size": "base", "model_hparam_overrides": {"hidden_size": 32}});
        assert_eq!(sizes(given), [32, 32, 12, 1, 128]);
        let given = json!({
            "model_size": "base", "embedding_size": 64,
            "model_hparam_overrides":
                {"hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 100},
        });
        assert_eq!(sizes(given), [64, 128, 12, 4, 100]);
    }

    #[test]
    fn debug_mode_builds_a_tiny_encoder() {
        let given = json!({"debug": true, "model_size": "large"});
        assert_eq!(sizes(given), [144, 144, 3, 4, 576]);
        let given = json!({"debug": true, "model_size": "small"});
        assert_eq!(sizes(given), [128, 144, 3, 4, 576]);
        let given = json!({
            "debug": true, "model_size": "base",
            "model_hparam_overrides": {"hidden_size": 64, "num_hidden_layers": 2},
        });
        assert_eq!(sizes(given), [64, 64, 2, 1, 256]);
    }

    #[test]
    fn each_override_lands_in_its_field() {
        let overrides = json!({
            "vocab_size": 2048, "hidden_size": 96, "num_hidden_layers": 5,
            "num_attention_heads": 3, "intermediate_size": 7, "hidden_act": "gelu",
            "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0.2,
            "max_position_embeddings": 1024, "type_vocab_size": 4, "initializer_range": 0.5,
        });
        let expected = json!({
            "vocab_size": 2048, "embedding_size": 128, "hidden_size": 96,
            "num_hidden_layers": 5, "num_attention_heads": 3, "intermediate_size": 7,
            "max_position_embeddings": 1024, "type_vocab_size": 4, "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.2, "initializer_range": 0.5,
            "layer_norm_eps": 1e-12,
        });
        let found = encoder(json!({"model_hparam_overrides": overrides}));
        assert_eq!(serde_json::to_value(found).unwrap(), expected);
    }
}
