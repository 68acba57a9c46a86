//! What a record is made of: the weights, settings and vocabulary of a checkpoint enter, digests
//! leave. Two checkpoints with one digest give one record, whatever their files are called.

use serde::{Deserialize, Serialize};

use crate::config::RecordConfig;
use crate::digest::Digest;
use crate::record::FORMAT;

/// A variable that fills a parameter: name, shape, type, and CRC32C of its bytes as
/// `conversion.json` has it.
pub(crate) struct Weight<'a> {
    pub name: &'a str,
    pub shape: &'a [u64],
    pub dtype: &'a str,
    pub crc32c: &'a str,
}

/// The key `content` of `conversion.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Of the weights, settings and vocabulary together.
    pub digest: String,
    /// Of the variables that fill a parameter: names, shapes, types and checksums.
    pub weights: String,
    /// Of the bytes of the vocabulary; null where there is none.
    pub vocabulary: Option<String>,
}

impl Content {
    /// `threshold` is the no-answer threshold that the checkpoint brings.
    pub(crate) fn new(
        weights: String,
        config: &RecordConfig,
        vocabulary: Option<String>,
        threshold: Option<f64>,
    ) -> Self {
        let mut digest = Digest::default();
        digest.field(FORMAT.as_bytes());
        digest.field(weights.as_bytes());
        digest.field(vocabulary.as_deref().unwrap_or_default().as_bytes());
        // The order of the keys is that of the type's fields.
        digest.field(&serde_json::to_vec(config).unwrap_or_default());
        if let Some(threshold) = threshold {
            digest.field(&threshold.to_le_bytes());
        }
        Self {
            digest: digest.finish(),
            weights,
            vocabulary,
        }
    }
}

/// Digest of the variables that fill a parameter, in the order of their names.
pub(crate) fn weights<'a>(weights: impl Iterator<Item = Weight<'a>>) -> String {
    let mut weights: Vec<Weight> = weights.collect();
    weights.sort_by_key(|weight| weight.name);
    let mut digest = Digest::default();
    for weight in weights {
        digest.field(weight.name.as_bytes());
        digest.number(weight.shape.len() as u64);
        for &size in weight.shape {
            digest.number(size);
        }
        digest.field(weight.dtype.as_bytes());
        digest.field(weight.crc32c.as_bytes());
    }
    digest.finish()
}

/// Digest of a vocabulary's bytes.
pub(crate) fn vocabulary(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.field(bytes);
    digest.finish()
}
