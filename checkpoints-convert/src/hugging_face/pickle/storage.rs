//! PyTorch's storages: blocks of values of one type, of which tensors are views. Maps the name of a
//! storage's class to its type and the width of its values.

use crate::tensor::DType;

/// The type of a storage's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hugging_face) struct StorageType {
    pub dtype: DType,
    /// Bytes per value.
    pub width: u64,
}

impl StorageType {
    /// Returns the type for the name of a class in the module `torch`.
    pub fn find(class: &str) -> Option<Self> {
        let (dtype, width) = match class {
            "FloatStorage" => (DType::F32, 4),
            "HalfStorage" => (DType::F16, 2),
            "BFloat16Storage" => (DType::BF16, 2),
            "IntStorage" => (DType::I32, 4),
            "LongStorage" => (DType::I64, 8),
            // TensorFlow's numbers for types that no parameter has.
            "DoubleStorage" => (DType::Other(2), 8),
            "ByteStorage" => (DType::Other(4), 1),
            "ShortStorage" => (DType::Other(5), 2),
            "CharStorage" => (DType::Other(6), 1),
            "BoolStorage" => (DType::Other(10), 1),
            _ => return None,
        };
        Some(Self { dtype, width })
    }
}

/// A storage as a pickle describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hugging_face) struct Storage {
    /// Its name in the file.
    pub key: String,
    pub kind: StorageType,
    /// Number of values.
    pub values: u64,
}

impl Storage {
    /// Returns its size in bytes; `None` if no file could be that large.
    pub fn bytes(&self) -> Option<u64> {
        self.values.checked_mul(self.kind.width)
    }
}
