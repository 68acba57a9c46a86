//! Checksums of files, so that a damaged or truncated one is detected before use.

use std::{fs::File, io, io::Read, path::Path};

use serde::{Deserialize, Serialize};

/// A file's length and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub bytes: u64,
    pub crc32c: u32,
}

impl Checksum {
    /// Reads a whole file and returns its checksum.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::of_reader(&mut File::open(path)?, |_| Ok(()))
    }

    /// Reads to the end, passes on what was read, and returns its checksum.
    pub fn of_reader(
        from: &mut dyn Read,
        mut part: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut buffer = vec![0; 1 << 20];
        let mut sum = Self {
            bytes: 0,
            crc32c: 0,
        };
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return Ok(sum);
            }
            part(&buffer[..read])?;
            sum.bytes += read as u64;
            sum.crc32c = crc32c::crc32c_append(sum.crc32c, &buffer[..read]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_is_another_sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut bytes = vec![7_u8; 3_000_000];
        std::fs::write(&path, &bytes).unwrap();
        let whole = Checksum::of(&path).unwrap();
        assert_eq!(whole.bytes, 3_000_000);
        assert_eq!(whole.crc32c, crc32c::crc32c(&bytes));
        let mut read = Vec::new();
        let again = Checksum::of_reader(&mut &bytes[..], |part| {
            read.extend_from_slice(part);
            Ok(())
        });
        assert_eq!((again.unwrap(), read), (whole, bytes.clone()));
        bytes[2_000_000] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_ne!(Checksum::of(&path).unwrap(), whole);
    }
}
