//! Encodes and decodes the seal after the last tensor of a burnpack file: JSON, then a footer of 16
//! bytes with the JSON's length, its CRC32C and a magic number.

use burn_pack::{Error, TENSOR_ALIGNMENT};
use serde::{Deserialize, Serialize};

/// The key in the file's own metadata that states that there is a seal, so that a lost one is
/// noticed.
pub(super) const CLAIM: &str = "checksums";
pub(super) const CLAIMED: &str = "crc32c of each tensor, behind the last one";

const MAGIC: [u8; 8] = *b"BPKSEAL1";
pub(super) const FOOTER_BYTES: usize = 16;

/// The JSON. Checksums have eight hexadecimal digits, so that a file's length does not depend on
/// its values.
#[derive(Serialize, Deserialize)]
struct Text {
    head: String,
    tensors: Vec<(String, String)>,
}

/// The checksums of a file.
pub(super) struct Seal {
    /// CRC32C of everything before the first tensor.
    pub head: u32,
    /// Name and CRC32C of each tensor, in the order of their bytes.
    pub tensors: Vec<(String, u32)>,
}

/// The end of a file.
pub(super) struct Footer {
    pub bytes: usize,
    crc32c: u32,
}

impl Seal {
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let tensors = self.tensors.iter();
        let text = Text {
            head: hexadecimal(self.head),
            tensors: tensors
                .map(|(name, sum)| (name.clone(), hexadecimal(*sum)))
                .collect(),
        };
        let mut bytes =
            serde_json::to_vec(&text).map_err(|error| Error::IoError(error.to_string()))?;
        let length = u32::try_from(bytes.len())
            .map_err(|_| Error::ValidationError("too many tensors for their checksums".into()))?;
        let crc32c = crc32c::crc32c(&bytes);
        bytes.extend(length.to_le_bytes());
        bytes.extend(crc32c.to_le_bytes());
        bytes.extend(MAGIC);
        Ok(bytes)
    }
}

impl Footer {
    /// Parses a footer; returns `None` if the last bytes of a file are not one.
    pub fn parse(bytes: [u8; FOOTER_BYTES]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (crc32c, magic) = rest.split_first_chunk::<4>()?;
        (magic == MAGIC).then(|| Self {
            bytes: u32::from_le_bytes(*length) as usize,
            crc32c: u32::from_le_bytes(*crc32c),
        })
    }

    /// Parses the seal from its JSON, `bytes`.
    pub fn seal(&self, bytes: &[u8]) -> Result<Seal, Error> {
        if crc32c::crc32c(bytes) != self.crc32c {
            return Err(damaged("its list of checksums is damaged"));
        }
        let unreadable =
            |error: &str| damaged(&format!("its list of checksums cannot be read: {error}"));
        let text: Text =
            serde_json::from_slice(bytes).map_err(|error| unreadable(&error.to_string()))?;
        let sum = |digits: &str| {
            u32::from_str_radix(digits, 16).map_err(|error| unreadable(&error.to_string()))
        };
        Ok(Seal {
            head: sum(&text.head)?,
            tensors: text
                .tensors
                .into_iter()
                .map(|(name, digits)| Ok((name, sum(&digits)?)))
                .collect::<Result<_, Error>>()?,
        })
    }
}

fn hexadecimal(sum: u32) -> String {
    format!("{sum:08x}")
}

pub(super) fn damaged(what: &str) -> Error {
    Error::ValidationError(what.into())
}

/// Returns where the next tensor begins after one that ends at `end`.
pub(super) fn aligned(end: u64) -> Option<u64> {
    end.checked_next_multiple_of(TENSOR_ALIGNMENT)
}
