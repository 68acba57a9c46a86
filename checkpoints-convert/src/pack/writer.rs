//! Writes tensors to a sealed file. Each checksum is computed while the bytes are being written, so
//! that nothing is read or held twice.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn_pack::{AtomicFile, Bytes, Error, TENSOR_ALIGNMENT, Tensor, Writer};

use super::reader::read_head;
use super::seal::{CLAIM, CLAIMED, Seal};

/// Bytes of a tensor that are copied from a device at a time.
const PIECE: usize = 8 << 20;

type Sums = Arc<Mutex<Vec<(String, u32)>>>;

/// Length and CRC32C of a whole file.
pub type FileSum = (u64, u32);

/// Writes `tensors` to a temporary file beside `path` and renames it; the file appears complete or
/// not at all.
///
/// # Errors
/// If a tensor cannot be read, two have the same name, or writing fails.
pub fn write(
    tensors: Vec<Tensor>,
    metadata: &[(&str, &str)],
    path: &Path,
) -> Result<FileSum, Error> {
    let (scratch, file) = AtomicFile::create(path)?;
    drop(file);
    let sum = write_in_place(tensors, metadata, scratch.path())?;
    scratch.commit()?;
    Ok(sum)
}

/// Writes `tensors` into the file at `path`, which is created or truncated; on failure the file is
/// left incomplete. Nothing is flushed to disk.
///
/// # Errors
/// As for [`write`].
pub fn write_in_place(
    tensors: Vec<Tensor>,
    metadata: &[(&str, &str)],
    path: &Path,
) -> Result<FileSum, Error> {
    let sums = Sums::default();
    let lengths: Vec<usize> = tensors.iter().map(Tensor::byte_len).collect();
    let tensors = tensors
        .into_iter()
        .map(|tensor| summed(tensor, Arc::clone(&sums)))
        .collect();
    let mut writer = Writer::new(tensors).with_metadata(CLAIM, CLAIMED);
    for (key, value) in metadata {
        writer = writer.with_metadata(key, value);
    }
    writer.auto_extension(false).write_to_file_in_place(path)?;
    let tensors = std::mem::take(&mut *sums.lock().unwrap_or_else(PoisonError::into_inner));
    append_seal(path, tensors, &lengths)
}

/// Appends the seal to a file whose tensors have these lengths.
fn append_seal(
    path: &Path,
    tensors: Vec<(String, u32)>,
    lengths: &[usize],
) -> Result<FileSum, Error> {
    let failed = |error| Error::IoError(format!("cannot write '{}': {error}", path.display()));
    let open = File::options().read(true).write(true).open(path);
    let mut file = open.map_err(failed)?;
    let head = read_head(&mut file)?;
    let seal = Seal {
        head: crc32c::crc32c(&head),
        tensors,
    };
    let bytes = seal.to_bytes()?;
    let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    let (length, sum) = sum_of(&head, &seal, lengths);
    if length != end {
        let path = path.display();
        return Err(Error::IoError(format!(
            "wrote {length} bytes to '{path}', which has {end}"
        )));
    }
    Ok((
        length + bytes.len() as u64,
        crc32c::crc32c_append(sum, &bytes),
    ))
}

/// Computes length and checksum of a file of tensors without its seal from those of its parts;
/// between tensors there are zeros, so that each begins at a multiple of the alignment.
fn sum_of(head: &[u8], seal: &Seal, lengths: &[usize]) -> FileSum {
    let (mut at, mut sum) = (head.len(), seal.head);
    for ((_, of_tensor), &length) in seal.tensors.iter().zip(lengths) {
        let zeros = [0; TENSOR_ALIGNMENT as usize];
        let padding = at.next_multiple_of(zeros.len()) - at;
        sum = crc32c::crc32c_append(sum, &zeros[..padding]);
        sum = crc32c::crc32c_combine(sum, *of_tensor, length);
        at += padding + length;
    }
    (at as u64, sum)
}

/// Wraps a tensor so that it adds its checksum to `sums` when its bytes are read.
fn summed(tensor: Tensor, sums: Sums) -> Tensor {
    let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.clone());
    let (param_id, length) = (tensor.param_id, tensor.byte_len());
    let key = name.clone();
    let tensor = Mutex::new(Some(tensor));
    let draw = move || {
        let tensor = tensor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tensor = tensor.ok_or_else(|| Error::IoError("was written before".into()))?;
        let bytes = resident(tensor.into_bytes()?)?;
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.push((key.clone(), crc32c::crc32c(&bytes)));
        Ok(bytes)
    };
    Tensor::deferred(name, dtype, shape, param_id, length, draw)
}

/// Returns the bytes in host memory. Those still on a device are copied in pieces, as they are when
/// Burn writes them, so that no staging buffer for a whole tensor is needed.
///
/// # Errors
/// If the device fails, or there is not enough memory.
pub fn resident(bytes: Bytes) -> Result<Bytes, Error> {
    let length = bytes.len();
    let mut held = Vec::new();
    while held.len() < length {
        let end = length.min(held.len() + PIECE);
        let Ok(piece) = bytes.view(held.len(), end) else {
            // Bytes that have no views are already in host memory.
            return Ok(bytes);
        };
        if held.is_empty() {
            held.try_reserve_exact(length)
                .map_err(|error| Error::IoError(error.to_string()))?;
        }
        let piece = piece
            .read(Default::default())
            .map_err(|error| Error::IoError(error.to_string()))?;
        held.extend_from_slice(piece);
    }
    Ok(Bytes::from_elems(held))
}
