//! Resolves a path to an existing file: itself, or its gzip archive.
//!
//! Devices and named pipes, which may never end or never begin, are not accepted.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::Error;

/// Returns the file for a path: the path itself, or its gzip archive if only that exists.
pub fn existing(path: &Path) -> PathBuf {
    find(path).map_or_else(|_| path.to_owned(), |(path, _)| path)
}

/// Finds the file or its archive, with its metadata.
pub(super) fn find(path: &Path) -> Result<(PathBuf, fs::Metadata), Error> {
    let source = match fs::metadata(path) {
        Ok(metadata) => return Ok((path.to_owned(), metadata)),
        Err(source) => source,
    };
    let mut packed = path.as_os_str().to_owned();
    packed.push(".gz");
    let packed = PathBuf::from(packed);
    let path = path.to_owned();
    if source.kind() != io::ErrorKind::NotFound {
        return Err(Error::Read { path, source });
    }
    if let Ok(metadata) = fs::metadata(&packed) {
        return Ok((packed, metadata));
    }
    Err(match other_name(&path) {
        Some(found) => Error::OtherName { path, found },
        None => Error::Read { path, source },
    })
}

/// Finds a data file beside a missing one that differs only in its extension.
fn other_name(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let ending = path.extension()?.to_str()?;
    if !["json", "jsonl"].contains(&ending) {
        return None;
    }
    let endings = ["json", "jsonl", "csv", "parquet"];
    let names = endings.iter().flat_map(|ending| {
        let name = format!("{stem}.{ending}");
        let packed = format!("{name}.gz");
        [name, packed]
    });
    names
        .into_iter()
        .find(|name| path.with_file_name(name).is_file())
}

/// Describes what is at a path that is not a readable file; `None` if it is one, or an open pipe
/// that the shell passes (`<(zcat …)`).
pub(super) fn no_file(path: &Path, metadata: &fs::Metadata) -> Option<&'static str> {
    if metadata.is_file() {
        return None;
    }
    if metadata.is_dir() {
        return Some("a folder");
    }
    let handed_over = ["/dev/fd", "/dev/stdin", "/proc/self/fd"];
    let handed_over = handed_over.iter().any(|folder| path.starts_with(folder));
    let kind = special(metadata);
    (!handed_over || kind != "a pipe").then_some(kind)
}

#[cfg(unix)]
fn special(metadata: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if metadata.file_type().is_fifo() {
        "a pipe"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special(_: &fs::Metadata) -> &'static str {
    "a device"
}
