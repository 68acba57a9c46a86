//! The networks that pre-training trains, and their shapes.
//!
//! Reproduces `get_generator_config` and the networks that `PretrainingModel` builds from the
//! hyper-parameters:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L40-L103>

use super::PretrainConfig;
use crate::config::encoder::{EncoderConfig, LAYER_NORM_EPS};

/// What predicts the masked tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// A separate network.
    Own,
    /// The network `electra` itself: the discriminator, or the only network.
    Shared,
    /// Two networks that read the unmasked tokens from either side.
    TwoTowers,
    /// None: samples are uniform over all tokens.
    Uniform,
}

impl PretrainConfig {
    pub fn generator_kind(&self) -> Generator {
        if self.uniform_generator {
            return Generator::Uniform;
        }
        match (
            self.has_discriminator() && self.untied_generator,
            self.two_tower_generator,
        ) {
            (false, _) => Generator::Shared,
            (true, false) => Generator::Own,
            (true, true) => Generator::TwoTowers,
        }
    }

    /// Returns whether replaced tokens are detected; otherwise only the masked ones are predicted.
    pub fn has_discriminator(&self) -> bool {
        self.electra_objective || self.electric_objective
    }

    /// Returns the maximum number of masked positions in an example, `max_predictions_per_seq`.
    pub fn max_predictions_per_seq(&self) -> usize {
        ((self.mask_prob + 0.005) * self.max_seq_length as f64) as usize
    }

    /// Returns the shape of the network `electra`.
    pub fn discriminator(&self) -> EncoderConfig {
        let given = &self.model_hparam_overrides;
        let (hidden, layers) = self.model_size.shape();
        let hidden = given.hidden_size.unwrap_or(hidden);
        let encoder = EncoderConfig {
            vocab_size: given.vocab_size.unwrap_or(self.vocab_size),
            embedding_size: hidden,
            hidden_size: hidden,
            num_hidden_layers: given.num_hidden_layers.unwrap_or(layers),
            num_attention_heads: given.num_attention_heads.unwrap_or((hidden / 64).max(1)),
            intermediate_size: given.intermediate_size.unwrap_or(hidden.saturating_mul(4)),
            max_position_embeddings: given.max_position_embeddings.unwrap_or(512),
            type_vocab_size: given.type_vocab_size.unwrap_or(2),
            hidden_dropout_prob: given.hidden_dropout_prob.unwrap_or(0.1),
            attention_probs_dropout_prob: given.attention_probs_dropout_prob.unwrap_or(0.1),
            initializer_range: given.initializer_range.unwrap_or(0.02),
            layer_norm_eps: given.layer_norm_eps.unwrap_or(LAYER_NORM_EPS),
        };
        // Set after the overrides, as in the reference.
        let encoder = match self.debug {
            false => encoder,
            true => EncoderConfig {
                hidden_size: 144,
                num_hidden_layers: 3,
                num_attention_heads: 4,
                intermediate_size: 144 * 4,
                ..encoder
            },
        };
        EncoderConfig {
            embedding_size: self.embedding_size.unwrap_or(encoder.hidden_size),
            ..encoder
        }
    }

    /// Returns the shape of a separate generator, whatever the heads and widths of the
    /// discriminator.
    pub fn generator(&self) -> EncoderConfig {
        let discriminator = self.discriminator();
        let part = |of: usize, part: f64| (of as f64 * part).round_ties_even() as usize;
        let hidden = part(discriminator.hidden_size, self.generator_hidden_size);
        EncoderConfig {
            embedding_size: match self.untied_generator_embeddings {
                true => hidden,
                false => discriminator.embedding_size,
            },
            hidden_size: hidden,
            num_hidden_layers: part(discriminator.num_hidden_layers, self.generator_layers),
            num_attention_heads: (hidden / 64).max(1),
            intermediate_size: hidden.saturating_mul(4),
            ..discriminator
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn config(given: Value) -> Result<PretrainConfig, String> {
        let resolved = PretrainConfig::resolve(Path::new("d"), "m", given.as_object().unwrap());
        resolved
            .map(|(config, _)| config)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn the_objectives_and_the_ties_tell_the_generator() {
        for (given, kind) in [
            (json!({}), Generator::Own),
            (json!({"untied_generator": false}), Generator::Shared),
            (json!({"uniform_generator": true}), Generator::Uniform),
            (json!({"two_tower_generator": true}), Generator::TwoTowers),
            (
                json!({"electra_objective": false, "electric_objective": true}),
                Generator::TwoTowers,
            ),
            (json!({"electra_objective": false}), Generator::Shared),
        ] {
            assert_eq!(config(given).unwrap().generator_kind(), kind);
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (given, expected) in [
            (
                json!({"do_eval": true}),
                "exactly one of do_train and do_eval",
            ),
            (
                json!({"two_tower_generator": true, "untied_generator": false}),
                "two_tower_generator = true: needs untied_generator",
            ),
            (
                json!({"electric_objective": true, "two_tower_generator": false}),
                "electric_objective = true: needs two_tower_generator",
            ),
            (
                json!({"max_predictions_per_seq": 5}),
                "max_predictions_per_seq: there is no such key",
            ),
            (
                json!({"generator_hidden_size": 0.001}),
                "generator_hidden_size = 0.001: a share of 256 that rounds to at least 1",
            ),
            (
                json!({"generator_layers": -1}),
                "generator_layers = -1: a share of 12",
            ),
            (json!({"model_dir": ""}), "model_dir"),
            (json!({"max_seq_length": 600}), "max_position_embeddings"),
        ] {
            let message = config(given).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
