//! Reads the header of a safetensors file into tensors with positions. The library checks shapes
//! and positions against each other; here they are also checked against the file's length. Format:
//! <https://github.com/huggingface/safetensors#format>.

use std::io::Read;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::{error::Error, tensor_name::check_name};
use crate::tensor::{DType, Variable};

/// ELECTRA-Large's header has 50 kB.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Reads the header of a file of `length` bytes, which is data file `shard` of the model.
///
/// # Errors
/// If it is not a safetensors file, or is truncated.
pub(super) fn read_header(
    file: &str,
    shard: u32,
    reader: &mut dyn Read,
    length: u64,
) -> Result<Vec<Variable>, Error> {
    let refused = |what: String| Error::Safetensors {
        file: file.into(),
        what,
    };
    let unreadable = |source| Error::Read {
        file: file.into(),
        source,
    };
    let mut size = [0; 8];
    if length < 8 {
        return Err(refused(format!("it has only {length} bytes")));
    }
    reader.read_exact(&mut size).map_err(unreadable)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER_BYTES {
        return Err(refused(format!(
            "it claims a header of {size} bytes, more than the {MAX_HEADER_BYTES} that are read"
        )));
    }
    let start = 8 + size;
    if start > length {
        return Err(Error::Length {
            file: file.into(),
            length,
            expected: start,
        });
    }
    let mut header = Vec::new();
    reader
        .take(size)
        .read_to_end(&mut header)
        .map_err(unreadable)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| refused(error.to_string()))?;
    let expected = start.saturating_add(metadata.data_len() as u64);
    if expected != length {
        return Err(Error::Length {
            file: file.into(),
            length,
            expected,
        });
    }
    let tensors = metadata.tensors();
    for name in tensors.keys() {
        check_name(file, name)?;
    }
    Ok(tensors
        .into_iter()
        .map(|(name, info)| {
            let (first, end) = info.data_offsets;
            Variable {
                name,
                dtype: dtype(info.dtype),
                shape: info.shape.iter().map(|&size| size as u64).collect(),
                shard,
                offset: start + first as u64,
                size: (end - first) as u64,
                crc32c: None,
            }
        })
        .collect())
}

fn dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        // TensorFlow's numbers for types that no parameter has.
        Dtype::F64 => DType::Other(2),
        Dtype::U8 => DType::Other(4),
        Dtype::I16 => DType::Other(5),
        Dtype::I8 => DType::Other(6),
        Dtype::C64 => DType::Other(8),
        Dtype::BOOL => DType::Other(10),
        Dtype::U16 => DType::Other(17),
        Dtype::U32 => DType::Other(22),
        Dtype::U64 => DType::Other(23),
        Dtype::F8_E5M2 => DType::Other(24),
        Dtype::F8_E4M3 => DType::Other(25),
        _ => DType::Other(0),
    }
}
