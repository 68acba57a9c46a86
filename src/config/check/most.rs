//! The upper limits of sizes.

use crate::config::error::Error;

/// Only typos exceed these; below them, products of sizes cannot overflow.
const MOST: &[(&str, usize)] = &[
    ("train_batch_size", 1 << 16),
    ("eval_batch_size", 1 << 16),
    ("predict_batch_size", 1 << 16),
    ("vocab_size", 1 << 24),
    ("embedding_size", 1 << 14),
    ("hidden_size", 1 << 14),
    ("intermediate_size", 1 << 16),
    ("num_hidden_layers", 1 << 10),
    ("max_position_embeddings", 1 << 16),
    ("type_vocab_size", 1 << 16),
];

/// Checks `value` against the limit of `key`; for a dotted key only the last part counts.
pub(super) fn check_most(key: &str, value: usize) -> Result<(), Error> {
    let name = key.rsplit('.').next().unwrap_or(key);
    match MOST.iter().find(|(most, _)| *most == name) {
        Some(&(_, most)) if value > most => {
            let must = format!("must be at most {most}");
            Err(Error::out_of_range(key, value, must))
        }
        _ => Ok(()),
    }
}
