//! How queries, keys and values divide into sequences and heads, and which configurations attention
//! runs with.

use super::config::AttentionConfigs;
use crate::packed::{random::Mask, sequences::Sequences};

/// Division of the rows and columns of queries, keys and values.
#[derive(Debug, Clone)]
pub struct Layout {
    pub sequences: Sequences,
    pub heads: usize,
    /// Dropout of the probabilities, addressed by row `row_word(place, query)` and column
    /// `attention_column(head, key)`.
    pub mask: Option<Mask>,
    /// Cooperative-matrix kernels where they fit; otherwise one thread per row.
    pub configs: AttentionConfigs,
}

impl Layout {
    /// Returns the floating-point operations of two matmuls over each sequence's
    /// `[length, hidden]`, as in the forward pass; the backward pass has five.
    pub(super) fn flops(&self, hidden: usize) -> f64 {
        let lengths = (0..self.sequences.len()).map(|number| self.sequences.rows(number).len());
        let pairs: usize = lengths.map(|length| length * length).sum();
        4.0 * (pairs * hidden) as f64
    }
}
