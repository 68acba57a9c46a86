//! Errors of the tensors in a checkpoint's data files. Every message names the file and, if one is
//! concerned, the variable.

use std::io;

/// Tensors whose positions contradict each other, or that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
    #[error(
        "{file}: variable {name:?} claims the bytes {offset} to {offset}+{size}, but the file has {length}; the file is cut off, or does not belong to this index"
    )]
    RangeOutside {
        file: String,
        name: String,
        offset: i64,
        size: i64,
        length: u64,
    },
    #[error("{file}: variables {first:?} and {second:?} claim the same bytes at {offset}")]
    Overlap {
        file: String,
        first: String,
        second: String,
        offset: u64,
    },
    #[error(
        "{file}: tensor {name:?} is damaged: checksum {expected:#010x} stored, {found:#010x} computed; copy or download the checkpoint again"
    )]
    TensorChecksum {
        file: String,
        name: String,
        expected: u32,
        found: u32,
    },
    #[error("{file}: ends inside tensor {name:?}; the file is cut off: copy it again")]
    TensorCutOff { file: String, name: String },
    #[error("{file}: tensor {name:?} needs {bytes} bytes of memory, which are not available")]
    Memory {
        file: String,
        name: String,
        bytes: u64,
    },
    #[error("{file}: holds {found} its stated {length} bytes; copy or download it again")]
    Length {
        file: String,
        length: u64,
        found: &'static str,
    },
}
