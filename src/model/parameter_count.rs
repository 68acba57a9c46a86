//! How many parameters a model has, without building it.

use crate::config::EncoderConfig;

/// Parameters of the parts of a model, value by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCount {
    pub embeddings: u64,
    /// Of one layer.
    pub layer: u64,
    pub layers: u64,
    /// Of all heads.
    pub heads: u64,
}

/// Parameters of a dense layer.
pub fn dense(input: usize, output: usize) -> u64 {
    (input * output + output) as u64
}

impl ParameterCount {
    /// Of an encoder, with heads of so many parameters together.
    pub fn new(encoder: &EncoderConfig, heads: u64) -> Self {
        let norm = |size: usize| 2 * size as u64;
        let (size, hidden) = (encoder.embedding_size, encoder.hidden_size);
        let tables = encoder.vocab_size + encoder.type_vocab_size + encoder.max_position_embeddings;
        let project = if size == hidden {
            0
        } else {
            dense(size, hidden)
        };
        let inner = encoder.intermediate_size;
        let layer = 4 * dense(hidden, hidden)
            + dense(hidden, inner)
            + dense(inner, hidden)
            + 2 * norm(hidden);
        Self {
            embeddings: (tables * size) as u64 + norm(size) + project,
            layer,
            layers: encoder.num_hidden_layers as u64,
            heads,
        }
    }

    /// Of the whole model.
    pub fn all(&self) -> u64 {
        self.embeddings + self.layer * self.layers + self.heads
    }
}
