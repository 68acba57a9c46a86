//! Reads a burnpack file into tensors that are compared with their checksums when they are read.
//! Everything around them (header, metadata, gaps, the seal itself) is checked on opening.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use burn_pack::{Bytes, Error, HEADER_SIZE, Header, Reader, Tensor, aligned_data_section_start};

use super::Pack;
use super::seal::{CLAIM, FOOTER_BYTES, Footer, Seal, aligned, damaged};
use crate::plain_file;

/// The key under which writers name themselves.
const PRODUCER: &str = "producer";

/// Opens the burnpack file at `path`; values stay on disk until they are requested.
///
/// # Errors
/// If the file does not exist, has another format, or is damaged outside the tensors' values. A
/// damaged tensor causes an error when its bytes are read.
pub fn open(path: &Path) -> Result<Pack, Error> {
    let (mut file, _) =
        plain_file::open(path).map_err(|error| Error::IoError(error.to_string()))?;
    // Checked before Burn's reader allocates as many bytes as the header claims.
    let head = read_head(&mut file)?;
    let reader = Reader::from_file_exact(path)?;
    let claimed = reader.metadata().contains_key(CLAIM);
    let producer = reader.metadata().get(PRODUCER).cloned();
    let mut tensors = reader.into_tensors()?;
    let Some((seal, end)) = read_seal(&mut file)? else {
        if claimed {
            return Err(damaged("its end with the checksums is missing or damaged"));
        }
        log::info!(
            "{}: has no checksums, as records of version 0.1",
            path.display()
        );
        return Ok(Pack {
            tensors,
            checksums: None,
            producer,
        });
    };
    if crc32c::crc32c(&head) != seal.head {
        return Err(damaged(
            "its list of tensors is damaged: the checksum differs",
        ));
    }
    let lengths = tensors
        .iter()
        .map(|t| (t.name.as_str(), t.byte_len() as u64));
    check_places(&mut file, &seal, &lengths.collect(), head.len() as u64, end)?;
    let checksums: BTreeMap<String, u32> = seal.tensors.into_iter().collect();
    for tensor in &mut tensors {
        let Some(&crc32c) = checksums.get(&tensor.name) else {
            return Err(damaged("its checksums are of other tensors"));
        };
        *tensor = checked(tensor.clone(), crc32c);
    }
    Ok(Pack {
        tensors,
        checksums: Some(checksums),
        producer,
    })
}

/// Reads everything before the first tensor: header, metadata and the zeros after them.
pub(super) fn read_head(file: &mut File) -> Result<Vec<u8>, Error> {
    let failed = |error: io::Error| Error::IoError(error.to_string());
    let length = file.metadata().map_err(failed)?.len();
    file.rewind().map_err(failed)?;
    let mut bytes = vec![0; HEADER_SIZE];
    file.read_exact(&mut bytes)
        .map_err(|_| Error::InvalidHeader)?;
    let header = Header::from_bytes(&bytes)?;
    let head = aligned_data_section_start(header.metadata_size as usize);
    if head as u64 > length {
        return Err(damaged(&format!(
            "its list of tensors has {} bytes by its header, the whole file has fewer",
            header.metadata_size
        )));
    }
    bytes.resize(head, 0);
    file.read_exact(&mut bytes[HEADER_SIZE..]).map_err(failed)?;
    Ok(bytes)
}

/// Reads the seal and its position; returns `None` if the file does not end with one.
fn read_seal(file: &mut File) -> Result<Option<(Seal, u64)>, Error> {
    let failed = |error: io::Error| Error::IoError(error.to_string());
    let length = file.metadata().map_err(failed)?.len();
    let Some(end) = length.checked_sub(FOOTER_BYTES as u64) else {
        return Ok(None);
    };
    let mut footer = [0; FOOTER_BYTES];
    file.seek(SeekFrom::Start(end))
        .and_then(|_| file.read_exact(&mut footer))
        .map_err(failed)?;
    let Some(footer) = Footer::parse(footer) else {
        return Ok(None);
    };
    let Some(start) = end.checked_sub(footer.bytes as u64) else {
        return Err(damaged("its end with the checksums is damaged"));
    };
    let mut bytes = vec![0; footer.bytes];
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(failed)?;
    Ok(Some((footer.seal(&bytes)?, start)))
}

/// Checks that the tensors of `lengths` fill the file from `start` to `end`, in the seal's order,
/// with only zeros between them.
fn check_places(
    file: &mut File,
    seal: &Seal,
    lengths: &BTreeMap<&str, u64>,
    start: u64,
    end: u64,
) -> Result<(), Error> {
    let other = || damaged("its checksums are of other tensors");
    if seal.tensors.len() != lengths.len() {
        return Err(other());
    }
    let mut place = start;
    for (name, _) in &seal.tensors {
        let length = lengths.get(name.as_str()).ok_or_else(other)?;
        let first = aligned(place).ok_or_else(other)?;
        check_gap(file, place, first, name)?;
        place = first.checked_add(*length).ok_or_else(other)?;
    }
    if place == end {
        return Ok(());
    }
    Err(damaged("bytes are missing or were added after its tensors"))
}

/// Checks that the bytes from `start` to `end`, before the tensor `name`, are zero.
fn check_gap(file: &mut File, start: u64, end: u64, name: &str) -> Result<(), Error> {
    if start == end {
        return Ok(());
    }
    let mut bytes = vec![0; (end - start) as usize];
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|error| Error::IoError(error.to_string()))?;
    match bytes.iter().all(|&byte| byte == 0) {
        true => Ok(()),
        false => Err(damaged(&format!(
            "the bytes before tensor {name} are damaged"
        ))),
    }
}

/// Wraps a tensor so that its bytes are compared with `crc32c` when they are read.
fn checked(tensor: Tensor, crc32c: u32) -> Tensor {
    let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.clone());
    let (param_id, length) = (tensor.param_id, tensor.byte_len());
    let take = move || {
        let bytes: Bytes = tensor.to_bytes()?;
        // The bytes stay in memory, so that the bytes used are the bytes checked.
        let values = bytes
            .read(Default::default())
            .map_err(|error| Error::IoError(error.to_string()))?;
        let found = crc32c::crc32c(values);
        if found != crc32c {
            return Err(damaged(&format!(
                "tensor {} is damaged: its checksum is {found:08x}, expected {crc32c:08x}",
                tensor.name
            )));
        }
        Ok(bytes)
    };
    Tensor::deferred(name, dtype, shape, param_id, length, take)
}
