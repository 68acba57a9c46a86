//! A source file: plain or gzip, read whole or line by line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::Error;
use crate::data;

/// The longest line; the longest of MRQA's passages with its questions takes far less.
const LONGEST_LINE: u64 = 64 << 20;

/// Lines of a file, which may be a gzip archive.
pub struct Lines {
    file: String,
    gzip: bool,
    reader: Box<dyn BufRead>,
    number: u64,
    buffer: Vec<u8>,
}

impl Lines {
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| data::Error::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let gzip = file
            .fill_buf()
            .map_err(unreadable)?
            .starts_with(&[0x1F, 0x8B]);
        Ok(Self {
            file: path.display().to_string(),
            gzip,
            reader: if gzip {
                Box::new(BufReader::new(MultiGzDecoder::new(file)))
            } else {
                Box::new(file)
            },
            number: 0,
            buffer: Vec::new(),
        })
    }

    /// Whether the file is a gzip archive.
    pub fn gzip(&self) -> bool {
        self.gzip
    }

    /// The next line with its number from 1, without a byte-order mark.
    ///
    /// # Errors
    /// When the file cannot be read or unpacked, is not UTF-8, or has a line beyond all measure.
    pub fn next_line(&mut self) -> Result<Option<(u64, &str)>, Error> {
        self.buffer.clear();
        self.number += 1;
        let read = self
            .reader
            .by_ref()
            .take(LONGEST_LINE + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| match self.gzip {
                true => Error::Gzip {
                    file: self.file.clone(),
                    source,
                },
                false => Error::Data(data::Error::Read {
                    path: self.file.clone().into(),
                    source,
                }),
            })?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 > LONGEST_LINE {
            return Err(Error::LongLine {
                file: self.file.clone(),
                line: self.number,
                limit: LONGEST_LINE,
            });
        }
        let line = str::from_utf8(&self.buffer).map_err(|_| data::Error::NotText {
            file: self.file.clone(),
            found: format!("other bytes on line {}", self.number),
            advice: "save the file as UTF-8, or fetch it again if a download broke off",
        })?;
        let line = line.strip_prefix('\u{FEFF}').unwrap_or(line);
        Ok(Some((self.number, line)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<(u64, String)>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Lines::open(&path)?;
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next_line()? {
            all.push((number, line.to_owned()));
        }
        Ok(all)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_packed_lines_are_the_same() {
        let text = "\u{FEFF}é\n\nlast".as_bytes();
        let expected = [
            (1, "é\n".to_owned()),
            (2, "\n".to_owned()),
            (3, "last".to_owned()),
        ];
        assert_eq!(lines(text).unwrap(), expected);
        assert_eq!(lines(&gzip(text)).unwrap(), expected);
        // Two archives one after the other are one file.
        let twice = [gzip(text), gzip(b"\nmore")].concat();
        assert_eq!(lines(&twice).unwrap().len(), 4);
    }

    #[test]
    fn damaged_archives_and_lines_without_end_are_refused() {
        let packed = gzip("a line\n".repeat(100).as_bytes());
        let message = lines(&packed[..packed.len() - 9]).unwrap_err().to_string();
        assert!(message.contains("cannot be unpacked"), "{message}");
        let bomb = gzip(&vec![b'a'; LONGEST_LINE as usize + 1]);
        assert!(bomb.len() < 1 << 20);
        let message = lines(&bomb).unwrap_err().to_string();
        assert!(
            message.contains("line 1: expected one passage"),
            "{message}"
        );
        let message = lines(b"a\n\xE9").unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
