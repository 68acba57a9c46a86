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
