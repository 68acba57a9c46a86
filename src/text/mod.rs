//! Strings → vocabulary ids, for every task: normalisation, basic tokens, word pieces.

pub mod normalizer;
pub mod tokenizer;
pub mod vocab;
pub mod wordpiece;
