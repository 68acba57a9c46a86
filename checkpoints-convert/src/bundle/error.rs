//! Errors of a bundle. Every message names the file and, if one is concerned, the variable, with
//! what was expected and what was found.

use std::io;

use crate::tensor;

/// A bundle that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file}: cannot write: {source}")]
    Write { file: String, source: io::Error },

    #[error(
        "{file}: {size} bytes is too short for a checkpoint index (its footer alone has 48); the file is cut off: copy it again"
    )]
    IndexTooShort { file: String, size: usize },
    #[error(
        "{file}: not a checkpoint index: it ends with {found:#018x} instead of 0xdb4775248b80fb57; the file is cut off or another kind of file"
    )]
    BadMagic { file: String, found: u64 },
    #[error(
        "{file}: a block at {offset} of {size} bytes reaches past the end of the index ({length} bytes); the file is cut off or damaged: copy it again"
    )]
    BlockOutside {
        file: String,
        offset: u64,
        size: u64,
        length: u64,
    },
    #[error(
        "{file}: the block at {offset} is compressed (type {kind}); only uncompressed indexes are read, which is what TensorFlow writes"
    )]
    BlockCompressed { file: String, offset: u64, kind: u8 },
    #[error(
        "{file}: the block at {offset} is damaged: checksum {expected:#010x} stored, {found:#010x} computed; copy the file again"
    )]
    BlockChecksum {
        file: String,
        offset: u64,
        expected: u32,
        found: u32,
    },
    #[error("{file}: the block at {offset} is malformed: {what}")]
    BlockMalformed {
        file: String,
        offset: u64,
        what: &'static str,
    },
    #[error(
        "{file}: a block at {offset} starts before the end of the one before it, {end}; the blocks of an index follow each other: the file is damaged, copy it again"
    )]
    BlockOrder { file: String, offset: u64, end: u64 },
    #[error(
        "{file}: names of more than {limit} bytes in all; an ELECTRA checkpoint's have under a million"
    )]
    NamesTooLong { file: String, limit: usize },
    #[error(
        "{file}: key {key:?} does not come after {previous:?}; an index is sorted, without repeats"
    )]
    KeyOrder {
        file: String,
        key: String,
        previous: String,
    },
    #[error(
        "{file}: key {key:?} is not UTF-8: the slice of a partitioned variable, or damage; only whole variables are read"
    )]
    KeyNotUtf8 { file: String, key: String },
    #[error(
        "{file}: more than {limit} variables; an ELECTRA checkpoint has under a thousand, three thousand with optimiser slots"
    )]
    TooManyVariables { file: String, limit: usize },

    #[error("{file}: no header (the entry with the empty key) in the index")]
    NoHeader { file: String },
    #[error("{file}: the entry of {key:?} cannot be decoded: {source}")]
    Entry {
        file: String,
        key: String,
        source: prost::DecodeError,
    },
    #[error("{file}: written on a big-endian machine; only little-endian checkpoints are read")]
    BigEndian { file: String },
    #[error("{file}: needs a reader of format version {min_consumer}; this one reads version 1")]
    Version { file: String, min_consumer: i32 },
    #[error("{file}: claims {found} data files; expected 1 to {limit}")]
    ShardCount {
        file: String,
        found: i32,
        limit: u32,
    },

    #[error(
        "{file}: variable {name:?} is saved in slices (a partitioned variable); only whole variables are read: save the model without partitioning"
    )]
    Sliced { file: String, name: String },
    #[error("{file}: variable {name:?} is in data file {shard}, but there are {shards}")]
    ShardOutOfRange {
        file: String,
        name: String,
        shard: i32,
        shards: u32,
    },
    #[error("{file}: variable {name:?} has the impossible shape {shape:?}")]
    Shape {
        file: String,
        name: String,
        shape: Vec<i64>,
    },
    #[error(
        "{file}: variable {name:?} claims {found} bytes; {dtype} of shape {shape:?} takes {expected}"
    )]
    Size {
        file: String,
        name: String,
        dtype: String,
        shape: Vec<u64>,
        expected: u64,
        found: i64,
    },

    #[error("{file}: two variables named {name:?}")]
    DuplicateName { file: String, name: String },
    #[error(
        "{file}: variable {name:?}: {found} bytes were given; {dtype} of shape {shape:?} takes {expected}"
    )]
    GivenSize {
        file: String,
        name: String,
        dtype: String,
        shape: Vec<u64>,
        expected: u64,
        found: u64,
    },
}
