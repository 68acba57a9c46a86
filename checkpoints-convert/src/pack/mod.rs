//! Burnpack files with their own checksums: tensors are written and read one at a time, and a
//! flipped bit anywhere in the file is detected before its tensor is used.
//!
//! Burn's own reader can still read such a file: the last tensor is followed by a seal with the
//! CRC32C of every tensor and one of the header and the metadata (`seal`). The bytes between
//! tensors must be zero, as Burn writes them. A file without a seal, of version 0.1, is read
//! without checks.

mod reader;
mod seal;
mod writer;

use std::collections::BTreeMap;

use burn_pack::{Error, Tensor};

use crate::digest::Digest;

pub use reader::open;
pub use writer::{FileSum, resident, write, write_in_place};

/// An opened file, whose values have not been read yet.
pub struct Pack {
    /// Sorted by name. Their bytes are compared with the checksum when they are read.
    pub tensors: Vec<Tensor>,
    /// CRC32C of each tensor's bytes by name; `None` for a file of version 0.1, which has none.
    pub checksums: Option<BTreeMap<String, u32>>,
    /// The program that wrote the file, if stated.
    pub producer: Option<String>,
}

impl Pack {
    /// Returns the identity of the weights; `None` for a file without checksums.
    pub fn identity(&self) -> Option<String> {
        let sums = self.checksums.as_ref()?;
        let tensors = self.tensors.iter();
        Some(identity(
            tensors.filter_map(|t| Some((t, *sums.get(&t.name)?))),
        ))
    }
}

/// Returns the message of an error, without Burn's name for its kind.
pub fn reason(error: &Error) -> String {
    match error {
        Error::IoError(reason) | Error::ValidationError(reason) => reason.clone(),
        error => error.to_string(),
    }
}

/// Returns the identity of a set of weights, independent of its location and name: a digest of the
/// names, types, shapes and checksums of all tensors, in the order of their names.
pub fn identity<'a>(tensors: impl Iterator<Item = (&'a Tensor, u32)>) -> String {
    let mut digest = Digest::default();
    for (tensor, crc32c) in tensors {
        digest.field(tensor.name.as_bytes());
        digest.field(format!("{:?}", tensor.dtype).as_bytes());
        digest.number(tensor.shape.len() as u64);
        for &size in tensor.shape.iter() {
            digest.number(size as u64);
        }
        digest.number(crc32c.into());
    }
    digest.finish()
}

#[cfg(test)]
mod tests;
