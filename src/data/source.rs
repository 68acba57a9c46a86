//! A data file's bytes, plain or gzip-compressed, in pieces of limited size.
//!
//! The first bytes reveal a file's type: Parquet, zip, UTF-16 and the like are named in an error
//! rather than misread. An archive may only unpack to a limited multiple of its size.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;

use super::{
    error::Error,
    existing_file::{find, no_file},
};

/// Longest line of a JSON Lines file or row of a csv file; the longest MRQA passage with its
/// questions takes far less.
pub const LONGEST_LINE: usize = 64 << 20;

/// How much an archive may unpack to in any case, and per byte of its own: JSON compresses to
/// between a third and a hundredth.
const UNPACKED: u64 = 256 << 20;
const UNPACKED_PER_BYTE: u64 = 100;

/// How much a pipe, whose size is unknown, may yield.
const PIPED: u64 = 4 << 30;

/// Bytes read at once.
const PIECE: u64 = 1 << 20;

const SAVE_ROWS: &str =
    "save its rows as JSON lines: datasets.load_dataset(…)[\"train\"].to_json(\"train.json\")";

/// Magic numbers of files that are not text, what they are, and what to do.
const OTHER_FILES: [(&[u8], &str, &str); 11] = [
    (b"PAR1", "a Parquet file", SAVE_ROWS),
    (b"ARROW1", "an Arrow file", SAVE_ROWS),
    (b"\xFF\xFF\xFF\xFF", "an Arrow stream", SAVE_ROWS),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
    (b"\xFD7zXZ\0", "an xz archive", "unpack it with unxz first"),
    (
        b"\x28\xB5\x2F\xFD",
        "a zstd archive",
        "unpack it with unzstd first",
    ),
    (b"BZh", "a bzip2 archive", "unpack it with bunzip2 first"),
    (b"\x80\x04\x95", "a pickle", "save its questions as JSON"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer in place of the file",
        "fetch the file itself with git lfs pull",
    ),
    (b"\xFF\xFE", "UTF-16 text", SAVE_UTF8),
    (b"\xFE\xFF", "UTF-16 text", SAVE_UTF8),
];

const SAVE_UTF8: &str =
    "save it as UTF-8 (in PowerShell: Set-Content -Encoding utf8, or Out-File -Encoding utf8)";

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A file that is being read.
pub struct Source {
    file: String,
    packed: bool,
    /// Where its text begins: after a byte-order mark, if it has one.
    begin: usize,
    /// Bytes received.
    done: u64,
    /// Bytes that may still come.
    left: u64,
    /// Size of a plain file, to reserve memory at once.
    size: u64,
    /// Bytes read from the file itself, packed or not.
    read: Arc<AtomicU64>,
    reader: Box<dyn BufRead + Send>,
}

/// Counts the bytes that are read.
struct Metered<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Source {
    /// Opens a file, or the gzip archive of that name with `.gz` if there is no such file.
    ///
    /// # Errors
    /// If neither exists, or it is not a text file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (path, metadata) = find(path)?;
        let unreadable = |source| Error::Read {
            path: path.clone(),
            source,
        };
        if let Some(found) = no_file(&path, &metadata) {
            return Err(Error::NotAFile {
                path: path.clone(),
                found,
            });
        }
        let file = File::open(&path).map_err(unreadable)?;
        let known = metadata.is_file();
        let size = if known { metadata.len() } else { 0 };
        let limit = if known { u64::MAX } else { PIPED };
        let read = Arc::default();
        let file = Metered {
            inner: file,
            read: Arc::clone(&read),
        };
        let reader = Box::new(BufReader::with_capacity(1 << 16, file));
        let source = Self::new(path.display().to_string(), reader, size, limit);
        let source = source.map_err(|error| match error {
            Error::Read { source, .. } => unreadable(source),
            other => other,
        })?;
        Ok(Self { read, ..source })
    }

    /// Wraps the bytes of a file in memory; errors name `file`.
    ///
    /// # Errors
    /// As for [`Source::open`].
    pub fn of_bytes(bytes: Vec<u8>, file: &str) -> Result<Self, Error> {
        let size = bytes.len() as u64;
        let reader = Box::new(io::Cursor::new(bytes));
        Self::new(file.to_owned(), reader, size, u64::MAX)
    }

    fn new(
        file: String,
        mut reader: Box<dyn BufRead + Send>,
        size: u64,
        limit: u64,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Read {
            path: file.clone().into(),
            source,
        };
        let packed = reader
            .fill_buf()
            .map_err(failed)?
            .starts_with(&[0x1F, 0x8B]);
        let mut source = if packed {
            Self {
                file,
                packed,
                begin: 0,
                done: 0,
                left: limit.min(UNPACKED.max(size.saturating_mul(UNPACKED_PER_BYTE))),
                size: 0,
                read: Arc::default(),
                reader: Box::new(BufReader::with_capacity(
                    1 << 16,
                    MultiGzDecoder::new(reader),
                )),
            }
        } else {
            Self {
                file,
                packed,
                begin: 0,
                done: 0,
                left: limit,
                size,
                read: Arc::default(),
                reader,
            }
        };
        source.look_at_the_beginning()?;
        Ok(source)
    }

    /// Rejects files of other types by name, and skips a byte-order mark.
    fn look_at_the_beginning(&mut self) -> Result<(), Error> {
        let begin = match self.reader.fill_buf() {
            Ok(begin) => begin,
            Err(error) => return Err(self.failed(error)),
        };
        let other = OTHER_FILES
            .iter()
            .find(|(magic, ..)| begin.starts_with(magic));
        if let Some(&(_, found, advice)) = other {
            return Err(Error::NotText {
                file: self.file.clone(),
                found: found.to_owned(),
                advice,
            });
        }
        if begin.starts_with(BOM) {
            self.reader.consume(BOM.len());
            self.begin = BOM.len();
            self.done = self.begin as u64;
        }
        Ok(())
    }

    /// Returns the file's name in errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns how many bytes were read from the file, for progress; stays 0 for one in memory.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Reads the next piece into `text`; returns `false` at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read or unpacked, unpacks to more than it may, or contains a NUL,
    /// which no text does.
    pub fn read_piece(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        let before = text.len();
        let piece = PIECE.min(self.left.saturating_add(1));
        let read = self.reader.by_ref().take(piece).read_to_end(text);
        let read = read.map_err(|error| self.failed(error))? as u64;
        self.left = self
            .left
            .checked_sub(read)
            .ok_or_else(|| self.too_large())?;
        if let Some(nul) = text[before..].iter().position(|&byte| byte == 0) {
            return Err(Error::NotText {
                file: self.file.clone(),
                found: format!("a NUL byte after {} bytes", self.done + nul as u64),
                advice: "the file is damaged, or is not text: fetch or save it again",
            });
        }
        self.done += read;
        Ok(read > 0)
    }

    /// Reads everything that is left into `text`.
    ///
    /// # Errors
    /// As for [`Source::read_piece`].
    pub fn read_rest(&mut self, text: &mut Vec<u8>) -> Result<(), Error> {
        // A file may report a misleading size (a sparse file), so not all of it is reserved.
        let room = self.size.saturating_sub(text.len() as u64).min(1 << 30);
        text.reserve_exact(usize::try_from(room).unwrap_or(0));
        while self.read_piece(text)? {}
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        if self.packed {
            return Error::Gzip {
                file: self.file.clone(),
                source,
            };
        }
        Error::Read {
            path: self.file.clone().into(),
            source,
        }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge {
            file: self.file.clone(),
            found: if self.packed {
                "a gzip archive that unpacks to more than a hundred times its size"
            } else {
                "a pipe that delivers more than 4 GiB"
            },
        }
    }
}

/// As [`Source::read_piece`], for csv readers, without the check for NUL.
impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer).map_err(|source| {
            let kind = source.kind();
            io::Error::new(kind, self.failed(source))
        })?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(self.too_large()))?;
        Ok(read)
    }
}

/// Reads the text of a whole file.
///
/// # Errors
/// If it cannot be read or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let mut source = Source::open(path)?;
    let mut bytes = Vec::new();
    source.read_rest(&mut bytes)?;
    text_of(bytes, &source, 0)
}

/// Converts bytes of a file to text; `lines_before` lines of the file precede them.
pub(crate) fn text_of(
    bytes: Vec<u8>,
    source: &Source,
    lines_before: usize,
) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes()[..valid].iter();
        let line = lines_before + before.filter(|&&byte| byte == b'\n').count() + 1;
        let at = match lines_before {
            0 => format!(" (byte {} of the file)", source.begin + valid),
            _ => String::new(),
        };
        Error::NotText {
            file: source.file().to_owned(),
            found: format!("other bytes on line {line}{at}"),
            advice: "save the file as UTF-8, or fetch it again if a download broke off",
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::data::existing_file::existing;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(name: &str, bytes: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        read_text(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn plain_and_packed_text_are_the_same() {
        let text = "\u{FEFF}{\"é\": 1}\r\n".as_bytes();
        assert_eq!(read("a.json", text).unwrap(), "{\"é\": 1}\r\n");
        assert_eq!(read("a.json.gz", &gzip(text)).unwrap(), "{\"é\": 1}\r\n");
        // Two concatenated archives are one file.
        let twice = [gzip(text), gzip(b"more")].concat();
        assert_eq!(read("a", &twice).unwrap(), "{\"é\": 1}\r\nmore");
    }

    #[test]
    fn the_archive_is_found_when_the_file_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.jsonl.gz"), gzip(b"packed")).unwrap();
        let path = folder.path().join("train.jsonl");
        assert_eq!(read_text(&path).unwrap(), "packed");
        assert_eq!(existing(&path), folder.path().join("train.jsonl.gz"));
        fs::write(&path, "plain").unwrap();
        assert_eq!(read_text(&path).unwrap(), "plain");
        let lost = folder.path().join("dev.jsonl");
        let message = read_text(&lost).unwrap_err().to_string();
        assert!(
            message.contains("dev.jsonl: the file cannot be read"),
            "{message}"
        );
        let other = folder.path().join("train.json");
        let message = read_text(&other).unwrap_err().to_string();
        assert!(
            message.contains("train.json: ") && message.contains("train.jsonl is beside it"),
            "{message}"
        );
    }

    #[test]
    fn files_that_are_no_text_are_named() {
        for (bytes, expected) in [
            (
                b"PAR1\x15\x04".as_slice(),
                "Parquet file; save its rows as JSON lines",
            ),
            (b"PK\x03\x04....", "zip archive"),
            (b"\xFF\xFE{\0}\0", "UTF-16"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "git lfs pull",
            ),
            (b"{\n\xE9}", "line 2"),
            (b"{\"a\":\0", "a NUL byte after 5 bytes"),
            // Bytes are counted in the file, lines as in an editor.
            (b"\xEF\xBB\xBF{\n\xE9}", "line 2 (byte 5 of the file)"),
            (
                &gzip(b"\xEF\xBB\xBF{\n\xE9}"),
                "line 2 (byte 5 of the file)",
            ),
            (&gzip(b"\xEF\xBB\xBF{\0"), "a NUL byte after 4 bytes"),
            (
                &gzip(b"a line\n".repeat(99).as_slice())[..30],
                "cannot be unpacked",
            ),
        ] {
            let message = read("train.json", bytes).unwrap_err();
            assert!(
                message.contains("train.json") && message.contains(expected),
                "{message}"
            );
        }
        let message = read_text(&std::env::temp_dir()).unwrap_err().to_string();
        assert!(message.contains("a folder"), "{message}");
    }

    #[test]
    fn an_archive_unpacks_to_a_multiple_of_its_size_only() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..=UNPACKED >> 16 {
            encoder.write_all(&[b' '; 1 << 16]).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        let message = read("train.json.gz", &bomb).unwrap_err();
        assert!(message.contains("a hundred times its size"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_refused() {
        let message = read_text(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(
            message.contains("/dev/zero") && message.contains("a device"),
            "{message}"
        );
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            // Opening it would block for ever.
            let message = read_text(&pipe).unwrap_err().to_string();
            assert!(message.contains("a pipe"), "{message}");
        }
    }
}
