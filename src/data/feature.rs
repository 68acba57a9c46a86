//! A feature: one window of a passage, tokenised, with its question, ready for a batch.

use std::sync::Arc;

/// One tokenised window: `[CLS] question [SEP] window [SEP]`, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// `1000 · eid + window number`.
    pub feature_id: u64,
    pub qas_id: Arc<str>,
    pub eid: usize,
    /// Token ids, `[length]`.
    pub input_ids: Vec<u32>,
    /// Tokens of segment 0: `[CLS]`, the question and the first `[SEP]`.
    pub question_length: usize,
    /// Position of the answer's first token; 0 where the window does not hold the answer.
    pub start: usize,
    /// Position of the answer's last token, inclusive; 0 likewise.
    pub end: usize,
    /// The example's flag, not the window's.
    pub is_impossible: bool,
    /// Word of the passage for each window token; entry `i` is the token at position
    /// `question_length + i`.
    pub token_to_orig: Vec<u32>,
    /// Whether this window sees the token with the most context; indexed as `token_to_orig`.
    pub max_context: Vec<bool>,
}
