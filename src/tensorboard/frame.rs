//! TFRecord frames: length, checksum of the length, bytes, checksum of the bytes.
//!
//! <https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/lib/io/record_writer.cc>

use std::io::{self, ErrorKind, Read, Write};

/// Longest record to read: an event of scalars has a few hundred bytes, an example of 512 tokens
/// two thousand.
const LONGEST: u64 = 1 << 24;

/// Bytes of a checksum.
pub const SUM: usize = 4;

/// Computes the CRC-32C, rotated and offset so that it may itself be part of checksummed data.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xA282_EAD8)
}

/// Writes one record with a single call, so that a killed process leaves only whole records.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_record(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(bytes.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(bytes);
    record.extend(masked(bytes).to_le_bytes());
    out.write_all(&record)
}

/// Reads the next record; `None` at the end of the file or if the file ends inside a record.
///
/// # Errors
/// If reading fails or a checksum is wrong.
pub fn read_record(file: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    match read_whole_record(file) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        read => read,
    }
}

/// Reads the next record; `None` at the end of the file.
///
/// # Errors
/// If reading fails, a checksum is wrong, or the file ends inside a record (`UnexpectedEof`).
pub fn read_whole_record(file: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = read_length(file)? else {
        return Ok(None);
    };
    let mut bytes = vec![0; length as usize];
    let mut sum = [0; SUM];
    file.read_exact(&mut bytes)?;
    file.read_exact(&mut sum)?;
    check(&bytes, sum, "bytes have")?;
    Ok(Some(bytes))
}

/// Reads the byte length at the start of a record; `None` at the end of the file. That many bytes
/// and [`SUM`] follow.
///
/// # Errors
/// As for [`read_whole_record`].
pub fn read_length(file: &mut impl Read) -> io::Result<Option<u64>> {
    let mut head = [0; 8 + SUM];
    let mut begun = 0;
    while begun < head.len() {
        match file.read(&mut head[begun..]) {
            Ok(0) if begun == 0 => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => begun += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let [length @ .., a, b, c, d] = head;
    check(&length, [a, b, c, d], "length has")?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        let problem = format!("a record of {length} bytes; expected at most {LONGEST}");
        return Err(io::Error::new(ErrorKind::InvalidData, problem));
    }
    Ok(Some(length))
}

fn check(bytes: &[u8], expected: [u8; 4], what: &str) -> io::Result<()> {
    let (found, expected) = (masked(bytes), u32::from_le_bytes(expected));
    if found == expected {
        return Ok(());
    }
    let problem = format!(
        "a record's {what} checksum {found:08x}, but {expected:08x} is written beside them: \
         the file is damaged"
    );
    Err(io::Error::new(ErrorKind::InvalidData, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        let mut file = Vec::new();
        write_record(&mut file, b"abc").unwrap();
        // As written by TensorBoard's own RecordWriter.
        let expected = [
            0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xB0, 0x99, 0x49, 0x0E, 0x61, 0x62,
            0x63, 0x6E, 0x57, 0xF1, 0x21,
        ];
        assert_eq!(file, expected);
    }

    #[test]
    fn records_come_back_until_the_file_breaks_off() {
        let mut file = Vec::new();
        write_record(&mut file, b"abc").unwrap();
        write_record(&mut file, b"").unwrap();
        for cut in 0..file.len() {
            let mut part = &file[..cut];
            let mut found = Vec::new();
            while let Some(record) = read_record(&mut part).unwrap() {
                found.push(record);
            }
            assert_eq!(found.len(), usize::from(cut >= 19), "{cut}");
            // A reader that needs all records learns that some are missing.
            let mut part = &file[..cut];
            let ended = loop {
                match read_whole_record(&mut part) {
                    Ok(Some(_)) => {}
                    ended => break ended,
                }
            };
            let is_whole = cut == 0 || cut == 19;
            assert_eq!(ended.is_ok(), is_whole, "{cut}: {ended:?}");
        }
        let mut whole = &file[..];
        assert_eq!(read_record(&mut whole).unwrap().unwrap(), b"abc");
        assert_eq!(read_record(&mut whole).unwrap().unwrap(), b"");
        assert_eq!(read_record(&mut whole).unwrap(), None);
    }

    #[test]
    fn damage_is_found() {
        let mut file = Vec::new();
        write_record(&mut file, b"abc").unwrap();
        for byte in 0..file.len() {
            let mut damaged = file.clone();
            damaged[byte] ^= 4;
            let message = read_record(&mut &damaged[..]).unwrap_err().to_string();
            assert!(message.contains("checksum"), "{byte}: {message}");
        }
        // An impossible length with a valid checksum.
        let mut huge = u64::MAX.to_le_bytes().to_vec();
        huge.extend(masked(&huge).to_le_bytes());
        let message = read_record(&mut &huge[..]).unwrap_err().to_string();
        assert!(message.contains("at most"), "{message}");
    }
}
