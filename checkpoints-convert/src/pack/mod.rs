//! Burnpack files that know their own checksums: tensors enter and leave one at a time, and a bit
//! that was flipped anywhere in the file is seen before its tensor is used.
//!
//! Burn's own reader finds nothing new in such a file: behind the last tensor stands a seal with
//! the CRC32C of every tensor and one of the header and the metadata (`seal`). What lies between
//! tensors must be zero, which is how Burn fills it. A file without a seal, of version 0.1, is
//! read as it is.

mod reader;
mod seal;
mod writer;

use std::collections::BTreeMap;

use burn_pack::{Error, Tensor};

use crate::digest::Digest;

pub use reader::open;
pub use writer::{FileSum, resident, write, write_in_place};

/// An opened file; no values have been read yet.
pub struct Pack {
    /// In the order of their names. Their bytes are compared with the checksum when they are read.
    pub tensors: Vec<Tensor>,
    /// CRC32C of each tensor's bytes by its name; `None` for a file of version 0.1, which has none.
    pub checksums: Option<BTreeMap<String, u32>>,
    /// The program that wrote the file, if it says so.
    pub producer: Option<String>,
}

impl Pack {
    /// The identity of the weights; `None` for a file without checksums.
    pub fn identity(&self) -> Option<String> {
        let sums = self.checksums.as_ref()?;
        let tensors = self.tensors.iter();
        Some(identity(
            tensors.filter_map(|t| Some((t, *sums.get(&t.name)?))),
        ))
    }
}

/// What is wrong, without the name that Burn gives the kind of error.
pub fn reason(error: &Error) -> String {
    match error {
        Error::IoError(reason) | Error::ValidationError(reason) => reason.clone(),
        error => error.to_string(),
    }
}

/// What a set of weights is, wherever it lies and whatever it is called: a digest of the names,
/// types, shapes and checksums of all tensors, in the order of their names.
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
