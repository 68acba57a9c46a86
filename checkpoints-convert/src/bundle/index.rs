//! Parses an `.index` file into variables whose shapes and sizes agree with each other. No number
//! in the file is trusted: shapes are multiplied with overflow checks.

use prost::Message;

use super::proto::{BundleEntry, BundleHeader};
use super::{Error, table};
use crate::tensor::{self, DType, Index, Variable};

/// A larger index is rejected unread; ELECTRA-Large's has 40 kB.
pub const MAX_INDEX_BYTES: u64 = 64 << 20;
const MAX_VARIABLES: usize = 100_000;
/// Limit over all variables: keys share prefixes, so a small file can hold many long ones.
const MAX_NAMES_BYTES: usize = 16 << 20;
const MAX_SHARDS: u32 = 4096;
const MAX_RANK: usize = 8;
/// The version of the bundle format that TensorFlow has written since 1.0.
pub(super) const FORMAT_VERSION: i32 = 1;

impl Index {
    /// Parses the bytes of an index; `file` names it in errors.
    ///
    /// # Errors
    /// If the table is damaged, the format unsupported (big-endian, slices, a later version), or an
    /// entry contradicts itself.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut shards = None;
        let mut variables = Vec::new();
        let mut names = 0;
        table::read(file, bytes, &mut |key, value| {
            // The empty key sorts first, so the header is read before any variable.
            if key.is_empty() {
                shards = Some(parse_header(file, value)?);
                return Ok(());
            }
            let shards = shards.ok_or_else(|| Error::NoHeader { file: file.into() })?;
            let name = str::from_utf8(key).map_err(|_| Error::KeyNotUtf8 {
                file: file.into(),
                key: key.escape_ascii().to_string(),
            })?;
            if variables.len() == MAX_VARIABLES {
                return Err(Error::TooManyVariables {
                    file: file.into(),
                    limit: MAX_VARIABLES,
                });
            }
            names += name.len();
            if names > MAX_NAMES_BYTES {
                return Err(Error::NamesTooLong {
                    file: file.into(),
                    limit: MAX_NAMES_BYTES,
                });
            }
            variables.push(parse_entry(file, name, value, shards)?);
            Ok(())
        })?;
        let shards = shards.ok_or_else(|| Error::NoHeader { file: file.into() })?;
        Ok(Self { shards, variables })
    }
}

fn parse_header(file: &str, value: &[u8]) -> Result<u32, Error> {
    let header = BundleHeader::decode(value).map_err(|source| Error::Entry {
        file: file.into(),
        key: String::new(),
        source,
    })?;
    if header.endianness != 0 {
        return Err(Error::BigEndian { file: file.into() });
    }
    let min_consumer = header.version.unwrap_or_default().min_consumer;
    if min_consumer > FORMAT_VERSION {
        return Err(Error::Version {
            file: file.into(),
            min_consumer,
        });
    }
    u32::try_from(header.num_shards)
        .ok()
        .filter(|shards| (1..=MAX_SHARDS).contains(shards))
        .ok_or(Error::ShardCount {
            file: file.into(),
            found: header.num_shards,
            limit: MAX_SHARDS,
        })
}

fn parse_entry(file: &str, name: &str, value: &[u8], shards: u32) -> Result<Variable, Error> {
    let entry = BundleEntry::decode(value).map_err(|source| Error::Entry {
        file: file.into(),
        key: name.into(),
        source,
    })?;
    if !entry.slices.is_empty() {
        return Err(Error::Sliced {
            file: file.into(),
            name: name.into(),
        });
    }
    let shard = u32::try_from(entry.shard_id)
        .ok()
        .filter(|&shard| shard < shards)
        .ok_or_else(|| Error::ShardOutOfRange {
            file: file.into(),
            name: name.into(),
            shard: entry.shard_id,
            shards,
        })?;

    let shape = entry.shape.unwrap_or_default();
    let sizes: Vec<i64> = shape.dim.iter().map(|dim| dim.size).collect();
    let impossible = || Error::Shape {
        file: file.into(),
        name: name.into(),
        shape: sizes.clone(),
    };
    if shape.unknown_rank || sizes.len() > MAX_RANK {
        return Err(impossible());
    }
    let dims: Vec<u64> = sizes
        .iter()
        .map(|&size| u64::try_from(size))
        .collect::<Result<_, _>>()
        .map_err(|_| impossible())?;
    let values = dims
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(dim))
        .ok_or_else(impossible)?;

    let dtype = DType::from_tensorflow(entry.dtype);
    let outside = || tensor::Error::RangeOutside {
        file: file.into(),
        name: name.into(),
        offset: entry.offset,
        size: entry.size,
        length: i64::MAX as u64,
    };
    let offset = u64::try_from(entry.offset).map_err(|_| outside())?;
    let size = u64::try_from(entry.size).map_err(|_| outside())?;
    entry.offset.checked_add(entry.size).ok_or_else(outside)?;
    if let Some(width) = dtype.width() {
        let expected = values.checked_mul(width).ok_or_else(impossible)?;
        if size != expected {
            return Err(Error::Size {
                file: file.into(),
                name: name.into(),
                dtype: dtype.to_string(),
                shape: dims,
                expected,
                found: entry.size,
            });
        }
    }
    Ok(Variable {
        name: name.into(),
        dtype,
        shape: dims,
        shard,
        offset,
        size,
        crc32c: Some(entry.crc32c),
    })
}
