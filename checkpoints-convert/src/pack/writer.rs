//! Tensors enter, a sealed file leaves. Each checksum is taken of the bytes on their way to the
//! disk, so that nothing is read or held twice.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn_pack::{AtomicFile, Bytes, Error, TENSOR_ALIGNMENT, Tensor, Writer};

use super::reader::read_head;
use super::seal::{CLAIM, CLAIMED, Seal};

/// Bytes of a tensor that are taken from a device at a time.
const PIECE: usize = 8 << 20;

type Sums = Arc<Mutex<Vec<(String, u32)>>>;

/// Length and CRC32C of a whole file.
pub type FileSum = (u64, u32);

/// Writes `tensors` beside `path` and renames; the file appears whole or not at all.
///
/// # Errors
/// A tensor cannot be read, two have one name, or the disk refuses.
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

/// Writes `tensors` into the file at `path`, which is made or emptied; one that could not be
/// finished is not whole. Nothing is flushed to the disk.
///
/// # Errors
/// As [`write`].
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

/// Seals a file of tensors, which have these lengths.
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

/// Length and checksum of a file of tensors without its seal, made of those of its parts: between them
/// stand zeros, so that each begins at a multiple of the alignment.
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

/// The same tensor, which leaves its checksum in `sums` when it is drawn.
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

/// The same bytes in memory. What still lies on a device comes in pieces, as it does when Burn
/// writes it, so that no staging buffer of a whole tensor is needed.
///
/// # Errors
/// The device fails, or memory is lacking.
pub fn resident(bytes: Bytes) -> Result<Bytes, Error> {
    let length = bytes.len();
    let mut held = Vec::new();
    while held.len() < length {
        let end = length.min(held.len() + PIECE);
        let Ok(piece) = bytes.view(held.len(), end) else {
            // What has no views lies in memory already.
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
