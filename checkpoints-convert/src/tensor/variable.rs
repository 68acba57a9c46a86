//! One variable: what it is, and where its bytes are.

use super::DType;

/// One variable of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// As the checkpoint has it.
    pub name: String,
    pub dtype: DType,
    /// Empty for a scalar.
    pub shape: Vec<u64>,
    /// Number of the data file that holds it.
    pub shard: u32,
    /// First byte in that file.
    pub offset: u64,
    /// Bytes in that file.
    pub size: u64,
    /// CRC32C of those bytes, masked as TensorFlow stores it; `None` where none is stored.
    pub crc32c: Option<u32>,
}

impl Variable {
    /// Number of values.
    pub fn values(&self) -> u64 {
        self.dtype.width().map_or(0, |width| self.size / width)
    }
}
