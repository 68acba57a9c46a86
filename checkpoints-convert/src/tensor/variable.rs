//! One variable: its description, and where its bytes are.

use super::DType;

/// One variable of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name in the checkpoint.
    pub name: String,
    pub dtype: DType,
    /// Empty for a scalar.
    pub shape: Vec<u64>,
    /// Index of the data file that holds it.
    pub shard: u32,
    /// Offset of its first byte in that file.
    pub offset: u64,
    /// Number of bytes in that file.
    pub size: u64,
    /// CRC32C of those bytes, masked as TensorFlow stores it; `None` if none is stored.
    pub crc32c: Option<u32>,
}

impl Variable {
    /// Returns the number of values.
    pub fn values(&self) -> u64 {
        self.dtype.width().map_or(0, |width| self.size / width)
    }
}
