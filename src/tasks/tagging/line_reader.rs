//! The lines of a file, one by one, with their numbers.
//!
//! Lines end at `\n`, as in TensorFlow's reader of files, and a `\r` before it belongs to the end. A line
//! is of bounded size.

use std::io::{self, BufRead, BufReader, Read};

use super::error::Error;
use crate::data::{
    self,
    source::{LONGEST_LINE, Source},
};

/// A file that is being read.
pub struct LineReader {
    file: String,
    bytes: BufReader<Source>,
    line: Vec<u8>,
    number: usize,
}

impl LineReader {
    pub fn new(source: Source) -> Self {
        Self {
            file: source.file().to_owned(),
            bytes: BufReader::with_capacity(1 << 16, source),
            line: Vec::new(),
            number: 0,
        }
    }

    /// The name that errors give the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The next line, without its end, and its number from 1.
    ///
    /// # Errors
    /// When the file cannot be read or unpacked, or the line is no UTF-8 text, holds a NUL or has no
    /// end.
    pub fn next_line(&mut self) -> Result<Option<(usize, &str)>, Error> {
        self.line.clear();
        let mut bytes = self.bytes.by_ref().take(LONGEST_LINE as u64 + 1);
        let read = bytes.read_until(b'\n', &mut self.line);
        if read.map_err(|error| self.failed(error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = self.line.as_slice();
        match line.strip_suffix(b"\n") {
            Some(ended) => line = ended.strip_suffix(b"\r").unwrap_or(ended),
            None if line.len() > LONGEST_LINE => {
                return Err(Error::Line {
                    file: self.file.clone(),
                    line: self.number,
                    expected: format!("a line of at most {LONGEST_LINE} bytes"),
                    found: "a longer one".to_owned(),
                    advice: "check that this is the file, and that its lines end",
                });
            }
            None => {}
        }
        let not_text = |found, advice| data::Error::NotText {
            file: self.file.clone(),
            found: format!("{found} on line {}", self.number),
            advice,
        };
        if line.contains(&0) {
            let advice = "the file is damaged, or no text: fetch or save it again";
            return Err(not_text("a NUL byte", advice).into());
        }
        match str::from_utf8(line) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(_) => {
                let advice = "save the file as UTF-8, or fetch it again if a download broke off";
                Err(not_text("other bytes", advice).into())
            }
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        // What the source itself found.
        match error.downcast::<data::Error>() {
            Ok(error) => error.into(),
            Err(source) => data::Error::Read {
                path: self.file.clone().into(),
                source,
            }
            .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<String>, String> {
        let source = Source::of_bytes(bytes.to_vec(), "a.txt").unwrap();
        let mut reader = LineReader::new(source);
        let mut lines = Vec::new();
        while let Some((number, line)) = reader.next_line().map_err(|e| e.to_string())? {
            lines.push(format!("{number}:{line}"));
        }
        Ok(lines)
    }

    #[test]
    fn lines_end_at_line_feeds() {
        assert_eq!(
            lines("\u{FEFF}a b\r\n\r\nc\rd\u{2028}e\n\nf".as_bytes()).unwrap(),
            ["1:a b", "2:", "3:c\rd\u{2028}e", "4:", "5:f"]
        );
        assert_eq!(lines(b"").unwrap(), [""; 0]);
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        for (bytes, found) in [
            (b"a\nb\0c\n".as_slice(), "a NUL byte on line 2"),
            (b"a\n\n\xE9\n", "other bytes on line 3"),
        ] {
            let message = lines(bytes).unwrap_err();
            assert!(
                message.contains("a.txt") && message.contains(found),
                "{message}"
            );
        }
    }
}
