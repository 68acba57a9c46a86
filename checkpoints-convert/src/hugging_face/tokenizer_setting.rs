//! Settings of a tokenizer as its files state them, and the error for those of another tokenizer.

use serde::{Deserialize, Deserializer};

use super::Error;

/// Distinguishes a key that is `null`, `Some(None)`, from a missing one.
pub(super) fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub(super) fn refused(file: &str, key: &str, found: impl Into<String>, expected: &str) -> Error {
    Error::Tokenizer {
        file: file.into(),
        key: key.into(),
        found: found.into(),
        expected: expected.into(),
    }
}
