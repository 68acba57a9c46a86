//! Strings → vocabulary ids, for every task: normalization, basic tokens, word pieces.

pub mod normalizer;
pub mod tokenizer;
pub mod vocab;
pub mod word_cache;
pub mod wordpiece;
