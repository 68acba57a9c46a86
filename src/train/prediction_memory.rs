//! How many rows a prediction computes at once, so that it fits a memory budget.
//!
//! Whatever is predicted, the weights are held, and during training all that a step holds. The activations
//! are in proportion to the tokens computed at once, of one layer at a time.

use std::collections::BTreeMap;

use checkpoints_convert::HeadShape;

use super::memory_plan::reserved;
use crate::{
    config::EncoderConfig,
    device::ByteSize,
    kernels::formats::Element,
    model::{ParameterCount, arithmetic::Arithmetic},
    tasks::head,
};

const FLOAT: u64 = size_of::<f32>() as u64;

/// What a prediction is made of.
#[derive(Debug, Clone)]
pub struct PredictionFootprint<'a> {
    pub encoder: &'a EncoderConfig,
    pub arithmetic: Arithmetic,
    /// Bytes that are held whatever is predicted.
    pub held: u64,
    /// Starts of a window that ends are looked for.
    pub beam_size: usize,
    /// Tokens of the longest row.
    pub longest: usize,
}

/// Not even one row fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a prediction for one row of {tokens} tokens needs {}, but the budget is {}; raise --memory-budget, or \
     leave it out",
    ByteSize(*needed),
    ByteSize(*budget)
)]
pub struct BudgetTooSmall {
    pub tokens: usize,
    pub needed: u64,
    pub budget: u64,
}

/// Bytes of a model that does not train: its weights, their copies in other formats, and the word table
/// once more while it is loaded.
pub fn weights(
    encoder: &EncoderConfig,
    arithmetic: Arithmetic,
    heads: BTreeMap<String, HeadShape>,
) -> u64 {
    let parameters = ParameterCount::new(encoder, heads).all();
    let copies = match (arithmetic.layers, arithmetic.bf16) {
        (Element::F32, None) => 0,
        (Element::F16, _) | (Element::F32, Some(_)) => 2 * parameters,
    };
    let table = (encoder.vocab_size * encoder.embedding_size) as u64;
    copies + FLOAT * (parameters + table)
}

impl PredictionFootprint<'_> {
    /// Bytes of a prediction for so many rows at once.
    pub fn needed(&self, rows: usize) -> u64 {
        let tokens = (rows * self.longest) as u64;
        let activations = tokens.saturating_mul(self.of_token());
        reserved(self.held.saturating_add(activations))
    }

    /// Bytes of a token's activations at the moment when most of them live: in the embeddings, in a layer
    /// or in a head.
    fn of_token(&self) -> u64 {
        let size = self.arithmetic.layers.size() as u64;
        let [embedding, hidden, inner] = [
            self.encoder.embedding_size,
            self.encoder.hidden_size,
            self.encoder.intermediate_size,
        ]
        .map(|size| size as u64);
        let embedded = FLOAT * (3 * embedding + 2 * hidden);
        // As in training: input, queries, keys, values, context, both sums, the first norm's result, and
        // the inner layer before and after its activation.
        let layer = size * (8 * hidden + 2 * inner);
        // The hidden states as the layers have them and in f32, a head's inner layers, and its logits.
        let logits = self.beam_size as u64 + 1;
        let head = size * hidden + FLOAT * (2 * hidden + 2 * head::HIDDEN as u64 + logits);
        // The largest operand as bf16.
        let packed = match self.arithmetic.bf16 {
            None => 0,
            Some(_) => 2 * inner.max(hidden),
        };
        embedded.max(layer).max(head) + packed
    }

    /// As many rows at once as fit, at most `most`.
    ///
    /// # Errors
    /// If not even one fits.
    pub fn rows(&self, most: usize, budget: u64) -> Result<usize, BudgetTooSmall> {
        let rows = (1..=most.max(1)).rev();
        let mut fitting = rows.filter(|&rows| self.needed(rows) <= budget);
        fitting.next().ok_or_else(|| BudgetTooSmall {
            tokens: self.longest,
            needed: self.needed(1),
            budget,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn encoder() -> EncoderConfig {
        let given = json!({"task_names": ["squad"], "model_size": "large"});
        let resolved = Config::resolve("d".as_ref(), "m", given.as_object().unwrap());
        resolved.unwrap().0.encoder()
    }

    #[test]
    fn as_many_rows_as_fit_are_computed_at_once() {
        let encoder = encoder();
        let held = weights(&encoder, Arithmetic::default(), BTreeMap::new());
        // 335 million parameters, and the table of 30,522 words.
        assert!((1_450_000_000..1_480_000_000).contains(&held), "{held}");
        let footprint = PredictionFootprint {
            encoder: &encoder,
            arithmetic: Arithmetic::default(),
            held,
            beam_size: 20,
            longest: 512,
        };
        // A layer of ELECTRA-Large: 8 vectors of 1,024 and 2 of 4,096 values.
        assert_eq!(footprint.of_token(), 4 * (8 * 1024 + 2 * 4096));
        assert_eq!(footprint.rows(32, u64::MAX), Ok(32));
        let rows = footprint.rows(32, 2 << 30).unwrap();
        assert!((2..32).contains(&rows), "{rows}");
        assert!(footprint.needed(rows) <= 2 << 30 && footprint.needed(rows + 1) > 2 << 30);
        assert_eq!(footprint.rows(32, footprint.needed(1)), Ok(1));
        let refused = footprint.rows(32, 1 << 30).unwrap_err().to_string();
        let expected = "a prediction for one row of 512 tokens needs 1.5 GiB, but the budget is 1 GiB; raise \
                        --memory-budget, or leave it out";
        assert_eq!(refused, expected);
    }
}
