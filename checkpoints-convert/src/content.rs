//! Identifies the content of a record: digests of the checkpoint's weights, settings and
//! vocabulary. Checkpoints with equal digests give equal records, whatever their files are called.

use serde::{Deserialize, Serialize};

use crate::config::RecordConfig;
use crate::digest::Digest;
use crate::record::FORMAT;

/// A variable that fills a parameter: its name, shape, type, and the CRC32C of its bytes as given
/// in `conversion.json`.
pub(crate) struct Weight<'a> {
    pub name: &'a str,
    pub shape: &'a [u64],
    pub dtype: &'a str,
    pub crc32c: &'a str,
}

/// The key `content` of `conversion.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Digest of weights, settings and vocabulary together.
    pub digest: String,
    /// Digest of the variables that fill a parameter: names, shapes, types and checksums.
    pub weights: String,
    /// Digest of the vocabulary's bytes; null if there is none.
    pub vocabulary: Option<String>,
}

impl Content {
    /// Computes the digests; `threshold` is the no-answer threshold that the checkpoint brings.
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
        // The keys are serialized in the order of the struct's fields.
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

/// Returns the digest of the variables that fill a parameter, sorted by name.
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

/// Returns the digest of a vocabulary's bytes.
pub(crate) fn vocabulary(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.field(bytes);
    digest.finish()
}
