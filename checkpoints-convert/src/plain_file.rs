//! Opens the files of a checkpoint on disk. Anything but a regular file (a pipe would block
//! forever, a device has no end) is rejected unopened, and so is the pointer that git-lfs leaves in
//! place of a file that it did not fetch.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

/// A file that cannot be opened for what it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}: missing; expected a file")]
    Missing { file: String },
    #[error("{file}: is {kind}; expected a plain file")]
    Kind { file: String, kind: &'static str },
    #[error(
        "{file}: only git-lfs's pointer to the file{size}: the repository was cloned without the \
         files themselves; run `git lfs install`, then `git lfs pull` in its folder, or download \
         this file by itself"
    )]
    LfsPointer { file: String, size: String },
    #[error("{file}: {size} bytes, more than the {limit} that are read")]
    TooLarge { file: String, size: u64, limit: u64 },
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
}

/// How a pointer begins; the older name is that of git-lfs before its first release.
const POINTERS: [&[u8]; 2] = [
    b"version https://git-lfs.github.com/spec/v1",
    b"version https://hawser.github.com/spec/v1",
];
/// The specification's size limit for a pointer.
const MAX_POINTER_BYTES: u64 = 1024;

/// Opens the file at `path`, from its beginning; also returns its length.
///
/// # Errors
/// If it is missing, not readable, not a regular file, or a git-lfs pointer.
pub(crate) fn open(path: &Path) -> Result<(File, u64), Error> {
    let name = || path.display().to_string();
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Missing { file: name() },
        _ => Error::Read {
            file: name(),
            source,
        },
    };
    // Before opening, since opening a pipe already waits for its other end. Symbolic links are
    // followed, because Hugging Face's caches consist of them.
    let data = fs::metadata(path).map_err(unreadable)?;
    if !data.is_file() {
        return Err(Error::Kind {
            file: name(),
            kind: kind(data.file_type()),
        });
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length <= MAX_POINTER_BYTES {
        let mut text = Vec::new();
        (&mut file)
            .take(MAX_POINTER_BYTES)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        if POINTERS.iter().any(|start| text.starts_with(start)) {
            return Err(Error::LfsPointer {
                file: name(),
                size: stated_size(&text).map_or_else(String::new, |n| format!(" of {n} bytes")),
            });
        }
        file.rewind().map_err(unreadable)?;
    }
    Ok((file, length))
}

/// Reads a small file; returns `None` if it does not exist.
///
/// # Errors
/// As for [`open`], and if it has more than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let (file, size) = match open(path) {
        Err(Error::Missing { .. }) => return Ok(None),
        opened => opened?,
    };
    let name = || path.display().to_string();
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read {
            file: name(),
            source,
        })?;
    let size = size.max(bytes.len() as u64);
    if size > limit {
        return Err(Error::TooLarge {
            file: name(),
            size,
            limit,
        });
    }
    Ok(Some(bytes))
}

/// Strips the byte-order mark that Windows editors put at the start of a text, which JSON does not
/// allow.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

fn stated_size(pointer: &[u8]) -> Option<u64> {
    let text = str::from_utf8(pointer).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("size ")?.trim().parse().ok())
}

fn kind(kind: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe (FIFO)";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a folder" } else { "no file" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_file_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for text in ["", "short", &"long".repeat(1000)] {
            fs::write(&path, text).unwrap();
            let (mut file, length) = open(&path).unwrap();
            let mut found = String::new();
            file.read_to_string(&mut found).unwrap();
            assert_eq!((found.as_str(), length), (text, text.len() as u64));
        }
        assert_eq!(read(&path, 4000).unwrap().unwrap().len(), 4000);
        let error = read(&path, 3999).unwrap_err().to_string();
        assert!(error.contains("4000 bytes, more than the 3999"), "{error}");
        assert!(read(&folder.path().join("absent"), 9).unwrap().is_none());
        let error = read(folder.path(), 9).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }

    #[test]
    fn a_pointer_of_git_lfs_is_said_with_what_fetches_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let cases = [
            (
                "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 54236116\n",
                "the file of 54236116 bytes: ",
            ),
            ("version https://hawser.github.com/spec/v1\n", "the file: "),
            (
                "version https://git-lfs.github.com/spec/v1\r\noid sha256:4d7a\r\nsize 7\r\n",
                "of 7 bytes",
            ),
        ];
        for (text, expected) in cases {
            fs::write(&path, text).unwrap();
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("`git lfs pull`"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let error = open(&pipe).unwrap_err().to_string();
        assert!(error.contains("pipe: is a pipe"), "{error}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        let error = read(&link, 10).unwrap_err().to_string();
        assert!(error.contains("link: is a device"), "{error}");
    }
}
