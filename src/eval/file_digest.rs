//! Identifies the content of a file by its checksum.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::data::{existing_file::existing, source::Source};

/// Magic number of a gzip archive.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// A file and its checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// The path as given; in a record beside predictions, only the file name.
    pub file: PathBuf,
    /// In hexadecimal, as `sha256sum` prints it; for a gzip archive, of the unpacked content.
    /// `None` for anything that cannot be read twice.
    pub sha256: Option<String>,
}

impl FileDigest {
    /// Computes the digest of a file, or of its gzip archive if only that exists.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let path = &existing(path);
        let read = unreadable(path);
        let regular = path.metadata().map_err(&read)?.is_file();
        Ok(FileDigest {
            file: path.to_owned(),
            sha256: if regular {
                Some(sha256(path).map_err(&read)?)
            } else {
                None
            },
        })
    }

    /// Returns whether a file, or its gzip archive, has this content, as far as both are known: the
    /// file may have been packed or unpacked in the meantime.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn is_of(&self, path: &Path) -> Result<bool, Error> {
        let found = FileDigest::of(path)?;
        if self.is_content_of(&found) {
            return Ok(true);
        }
        // Records of version 0.1 hold the checksum of an archive's own bytes.
        let bytes = File::open(&found.file).and_then(|file| sum_of(BufReader::new(file)));
        let bytes = bytes.map_err(unreadable(&found.file))?;
        Ok(self.sha256.as_ref() == Some(&bytes))
    }

    /// Returns whether `other` has the same content, as far as both are known.
    pub fn is_content_of(&self, other: &FileDigest) -> bool {
        match (&self.sha256, &other.sha256) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        }
    }

    /// Returns the first digits, enough to distinguish files.
    pub fn short(&self) -> &str {
        match &self.sha256 {
            Some(sum) => sum.get(..12).unwrap_or(sum),
            None => "unknown",
        }
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read {
        path: path.clone(),
        source,
    }
}

/// Computes the checksum of a file's content. If an archive cannot be unpacked, which is reported
/// when it is read, this uses its raw bytes.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP)
        && let Ok(packed) = Source::open(path)
        && let Ok(sum) = sum_of(BufReader::with_capacity(1 << 16, packed))
    {
        return Ok(sum);
    }
    sum_of(file)
}

pub(crate) fn sum_of(mut file: impl BufRead) -> io::Result<String> {
    let mut hasher = Sha256::new();
    loop {
        let read = file.fill_buf()?;
        if read.is_empty() {
            break;
        }
        hasher.update(read);
        let length = read.len();
        file.consume(length);
    }
    let sum = hasher.finalize();
    Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect())
}
