//! How queries, keys and values divide into sequences and heads, and what attention runs with.

use super::config::AttentionConfigs;
use crate::packed::{random::Mask, sequences::Sequences};

/// How the rows and columns of queries, keys and values divide.
#[derive(Debug, Clone)]
pub struct Layout {
    pub sequences: Sequences,
    pub heads: usize,
    /// Factors of the probabilities: row `row_word(place, query)`, column
    /// `attention_column(head, key)`.
    pub mask: Option<Mask>,
    /// On cooperative matrices where they fit; else a thread takes a row.
    pub configs: AttentionConfigs,
}

impl Layout {
    /// Floating-point operations of two products of each sequence's `[length, hidden]`, as the forward
    /// pass has them; the backward pass has five.
    pub(super) fn flops(&self, hidden: usize) -> f64 {
        let lengths = (0..self.sequences.len()).map(|number| self.sequences.rows(number).len());
        let pairs: usize = lengths.map(|length| length * length).sum();
        4.0 * (pairs * hidden) as f64
    }
}
