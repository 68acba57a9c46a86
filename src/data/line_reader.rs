//! Reads the lines of a file one by one, with their numbers.
//!
//! Lines end only at `\n`, as Python and TensorFlow read the reference's files; Unicode's other
//! line separators are text. A preceding `\r` is part of the line ending. Lines are limited in
//! size.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use super::{
    error::Error,
    source::{LONGEST_LINE, Source},
};

/// A file that is read line by line.
pub struct LineReader {
    file: String,
    bytes: BufReader<Source>,
    line: Vec<u8>,
    /// Number of lines read.
    number: usize,
}

impl LineReader {
    /// # Errors
    /// If the file cannot be opened or is not text.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(Source::open(path)?))
    }

    pub fn new(source: Source) -> Self {
        Self {
            file: source.file().to_owned(),
            bytes: BufReader::with_capacity(1 << 16, source),
            line: Vec::new(),
            number: 0,
        }
    }

    /// Returns the file's name in errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Same as [`Source::bytes_read`].
    pub fn bytes_read(&self) -> u64 {
        self.bytes.get_ref().bytes_read()
    }

    /// Returns how many lines were read or skipped.
    pub fn lines_before(&self) -> usize {
        self.number
    }

    /// Returns the next line, without its line ending, and its number from 1.
    ///
    /// # Errors
    /// If the file cannot be read or unpacked, or the line is not UTF-8, contains a NUL or is too
    /// long.
    pub fn next_line(&mut self) -> Result<Option<(usize, &str)>, Error> {
        self.line.clear();
        let mut bytes = self.bytes.by_ref().take(LONGEST_LINE as u64 + 1);
        let read = bytes.read_until(b'\n', &mut self.line);
        if read.map_err(|error| self.failed(error))? == 0 {
            return Ok(None);
        }
        let mut line = self.line.as_slice();
        match line.strip_suffix(b"\n") {
            Some(ended) => line = ended.strip_suffix(b"\r").unwrap_or(ended),
            None if line.len() > LONGEST_LINE => {
                return Err(Error::LongLine {
                    file: self.file.clone(),
                    line: self.number + 1,
                    limit: LONGEST_LINE,
                });
            }
            None => {}
        }
        self.check_text(line)?;
        self.number += 1;
        Ok(str::from_utf8(line).ok().map(|line| (self.number, line)))
    }

    /// Skips blanks, including blank lines, and returns the first byte that is not blank; `None` at
    /// the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read or unpacked.
    pub fn skip_blanks(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let piece = match self.bytes.fill_buf() {
                Ok(piece) => piece,
                Err(error) => return Err(self.failed(error)),
            };
            let blanks = piece.iter().take_while(|byte| byte.is_ascii_whitespace());
            let blanks = blanks.count();
            self.number += line_feeds(&piece[..blanks]);
            let next = piece.get(blanks).copied();
            let ended = piece.is_empty();
            self.bytes.consume(blanks);
            if ended || next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Returns everything that was not read yet.
    ///
    /// # Errors
    /// If the file cannot be read or unpacked, is not UTF-8 or contains a NUL.
    pub fn rest(mut self) -> Result<String, Error> {
        let mut rest = Vec::new();
        let read = self.bytes.read_to_end(&mut rest);
        read.map_err(|error| self.failed(error))?;
        self.check_text(&rest)?;
        Ok(String::from_utf8(rest).unwrap_or_default())
    }

    /// Rejects unread bytes that are not text.
    fn check_text(&self, bytes: &[u8]) -> Result<(), Error> {
        let nul = bytes.iter().position(|&byte| byte == 0);
        let (at, found, advice) = match (nul, str::from_utf8(bytes)) {
            (None, Ok(_)) => return Ok(()),
            (Some(at), _) => (
                at,
                "a NUL byte",
                "the file is damaged, or is not text: fetch or save it again",
            ),
            (None, Err(error)) => (
                error.valid_up_to(),
                "other bytes",
                "save the file as UTF-8, or fetch it again if a download broke off",
            ),
        };
        let line = self.number + line_feeds(&bytes[..at]) + 1;
        Err(Error::NotText {
            file: self.file.clone(),
            found: format!("{found} on line {line}"),
            advice,
        })
    }

    fn failed(&self, error: io::Error) -> Error {
        // An error found by the source itself.
        error.downcast().unwrap_or_else(|source| Error::Read {
            path: self.file.clone().into(),
            source,
        })
    }
}

fn line_feeds(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> LineReader {
        LineReader::new(Source::of_bytes(bytes.to_vec(), "a.txt").unwrap())
    }

    fn lines(bytes: &[u8]) -> Result<Vec<(usize, String)>, String> {
        let mut reader = reader(bytes);
        let mut lines = Vec::new();
        while let Some((number, line)) = reader.next_line().map_err(|e| e.to_string())? {
            lines.push((number, line.to_owned()));
        }
        Ok(lines)
    }

    #[test]
    fn lines_end_at_line_feeds_only() {
        let text = "\u{FEFF}a b\r\n\r\nc\rd\u{2028}e\u{85}\x0bf\n\n g\r";
        let expected = [
            (1, "a b"),
            (2, ""),
            (3, "c\rd\u{2028}e\u{85}\x0bf"),
            (4, ""),
            (5, " g\r"),
        ];
        let expected = expected.map(|(number, line)| (number, line.to_owned()));
        assert_eq!(lines(text.as_bytes()).unwrap(), expected);
        assert!(lines(b"").unwrap().is_empty());
        assert_eq!(lines(b"\n\n").unwrap().len(), 2);
        assert_eq!(lines(b"x\n").unwrap().len(), 1);
    }

    #[test]
    fn long_files_are_read_in_pieces() {
        let text: String = (0..300_000).map(|n| format!("line {n}\n")).collect();
        let found = lines(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 300_000);
        assert_eq!(found[299_999], (300_000, "line 299999".to_owned()));
        let wide = format!("{}\nb", "x".repeat(3 << 20));
        let found = lines(wide.as_bytes()).unwrap();
        assert_eq!((found[0].1.len(), found[1].1.as_str()), (3 << 20, "b"));
    }

    #[test]
    fn a_line_that_is_no_text_or_has_no_end_is_named() {
        let endless = vec![b'x'; LONGEST_LINE + (2 << 20)];
        for (bytes, found) in [
            (b"a\nb\0c\n".as_slice(), "a NUL byte on line 2"),
            (b"a\n\n\xE9\n", "other bytes on line 3"),
            (&endless, "line 1: expected"),
        ] {
            let message = lines(bytes).unwrap_err();
            assert!(
                message.contains("a.txt") && message.contains(found),
                "{message}"
            );
        }
    }

    #[test]
    fn the_rest_of_a_file_begins_where_its_first_text_does() {
        let mut list = reader(b" \n\r\n [1,\n2]");
        assert_eq!(list.skip_blanks().unwrap(), Some(b'['));
        assert_eq!(list.lines_before(), 2);
        assert_eq!(list.rest().unwrap(), "[1,\n2]");
        let mut rows = reader(b"\n{}\n{}");
        assert_eq!(rows.skip_blanks().unwrap(), Some(b'{'));
        assert_eq!(rows.next_line().unwrap(), Some((2, "{}")));
        assert_eq!(reader(&b" \n".repeat(1 << 16)).skip_blanks().unwrap(), None);
        let mut broken = reader(b"\n[\n\n\xE9]");
        broken.skip_blanks().unwrap();
        let message = broken.rest().unwrap_err().to_string();
        assert!(message.contains("other bytes on line 4"), "{message}");
    }
}
