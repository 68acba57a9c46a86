//! Floating-point operations of a step's matrix products, a measure of the device's work.

use crate::config::{EncoderConfig, PretrainConfig, pretraining::networks::Generator};

/// A backward pass costs twice a forward pass.
const PASSES: usize = 3;

/// The operations of training on a batch, given as the real tokens and the masked slots of each example: two
/// for each weight that a token is multiplied with, plus the two products of attention. Each pass counts once
/// even if layers are recomputed to save memory.
pub fn operations(config: &PretrainConfig, batch: impl IntoIterator<Item = (usize, usize)>) -> f64 {
    let (discriminator, generator) = (config.discriminator(), config.generator());
    let kind = config.generator_kind();
    let forward = batch.into_iter().map(|(tokens, slots)| {
        let guesses = |width: usize, of: &EncoderConfig, rows: usize| {
            2 * rows * of.embedding_size * (width + of.vocab_size)
        };
        let guessed = match kind {
            Generator::Uniform => 0,
            Generator::Own => {
                encoder(&generator, tokens) + guesses(generator.hidden_size, &generator, slots)
            }
            Generator::Shared => {
                encoder(&discriminator, tokens)
                    + guesses(discriminator.hidden_size, &discriminator, slots)
            }
            Generator::TwoTowers => {
                2 * encoder(&generator, tokens)
                    + guesses(2 * generator.hidden_size, &generator, tokens)
            }
        };
        let width = discriminator.hidden_size;
        let discriminated = match config.has_discriminator() {
            true => encoder(&discriminator, tokens) + 2 * tokens * width * (width + 1),
            false => 0,
        };
        (guessed + discriminated) as f64
    });
    PASSES as f64 * forward.sum::<f64>()
}

/// The forward pass of an encoder over a sequence.
fn encoder(config: &EncoderConfig, tokens: usize) -> usize {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let layer = 4 * width * width + 2 * width * inner;
    let project = match config.embedding_size == width {
        true => 0,
        false => config.embedding_size * width,
    };
    let weights = config.num_hidden_layers * layer + project;
    let attention = 4 * config.num_hidden_layers * width * tokens;
    tokens * (2 * weights + attention)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn they_are_those_of_the_products() {
        let batch = [(3, 1), (5, 2)];
        let count = |more: serde_json::Value| {
            let mut given = json!({
                "embedding_size": 16, "vocab_size": 100, "generator_hidden_size": 0.5,
                "model_hparam_overrides": {"hidden_size": 64, "num_hidden_layers": 2},
            });
            let given = given.as_object_mut().unwrap();
            given.extend(more.as_object().unwrap().clone());
            let resolved = PretrainConfig::resolve(Path::new("d"), "m", given);
            operations(&resolved.unwrap().0, batch)
        };
        // By hand: 12 · width² weights a layer, and the projection of the embeddings; 8 tokens, with 3² + 5²
        // pairs in attention.
        let encoder =
            |width: usize| 8 * 2 * (2 * 12 * width * width + 16 * width) + 4 * 2 * width * (9 + 25);
        let discriminator = encoder(64) + 8 * 2 * (64 * 64 + 64);
        let generator = encoder(32) + 3 * 2 * (32 * 16 + 16 * 100);
        let shared = encoder(64) + 3 * 2 * (64 * 16 + 16 * 100);
        let towers = 2 * encoder(32) + 8 * 2 * (64 * 16 + 16 * 100);
        for (more, expected) in [
            (json!({}), discriminator + generator),
            (json!({"uniform_generator": true}), discriminator),
            (json!({"untied_generator": false}), discriminator + shared),
            (json!({"electra_objective": false}), shared),
            (json!({"two_tower_generator": true}), discriminator + towers),
        ] {
            assert_eq!(count(more.clone()), (3 * expected) as f64, "{more}");
        }
    }
}
