//! A text file line by line, of bounded size.
//!
//! Lines end at `\n` only, as Python reads the reference's files: other line separators of Unicode
//! are text.

use std::path::Path;

use crate::data::{
    error::Error,
    source::{LONGEST_LINE, Source, text_of},
};

/// A file that is read line by line.
pub struct Lines {
    source: Source,
    bytes: Vec<u8>,
    /// Where the next line begins in `bytes`.
    begin: usize,
    /// Lines that were read.
    line: usize,
    ended: bool,
    text: String,
}

impl Lines {
    /// # Errors
    /// When the file cannot be opened, or is no text.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(Source::open(path)?))
    }

    pub fn new(source: Source) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            begin: 0,
            line: 0,
            ended: false,
            text: String::new(),
        }
    }

    /// The name that errors give the file.
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// The next line without its end, and its number, from 1.
    ///
    /// # Errors
    /// When the file cannot be read, holds a NUL or is not UTF-8, or the line has no end.
    pub fn next_line(&mut self) -> Result<Option<(usize, &str)>, Error> {
        let mut searched = self.begin;
        let end = loop {
            let break_at = self.bytes[searched..]
                .iter()
                .position(|&byte| byte == b'\n');
            if let Some(at) = break_at {
                break searched + at;
            }
            if self.ended {
                break self.bytes.len();
            }
            if self.bytes.len() - self.begin > LONGEST_LINE {
                return Err(Error::LongLine {
                    file: self.file().to_owned(),
                    line: self.line + 1,
                    limit: LONGEST_LINE,
                });
            }
            searched = self.read_on()?;
        };
        if end == self.bytes.len() && self.begin == end {
            return Ok(None);
        }
        let line = self.bytes[self.begin..end].to_vec();
        self.text = text_of(line, &self.source, self.line)?;
        self.begin = (end + 1).min(self.bytes.len());
        self.line += 1;
        Ok(Some((self.line, &self.text)))
    }

    /// The first character of the file that is no blank; nothing of an empty one.
    ///
    /// # Errors
    /// When the file cannot be read or holds a NUL.
    pub fn first_character(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let mut rest = self.bytes[self.begin..].iter();
            if let Some(&first) = rest.find(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(first));
            }
            if self.ended || self.bytes.len() > LONGEST_LINE {
                return Ok(None);
            }
            self.ended = !self.source.read_piece(&mut self.bytes)?;
        }
    }

    /// All that was not read yet.
    ///
    /// # Errors
    /// When the file cannot be read, holds a NUL or is not UTF-8.
    pub fn rest(mut self) -> Result<String, Error> {
        self.source.read_rest(&mut self.bytes)?;
        let rest = self.bytes.split_off(self.begin);
        text_of(rest, &self.source, self.line)
    }

    /// Reads a piece behind what no line was made of yet, which moves to the beginning; tells where
    /// the piece begins.
    fn read_on(&mut self) -> Result<usize, Error> {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        let before = self.bytes.len();
        self.ended = !self.source.read_piece(&mut self.bytes)?;
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<(usize, String)>, String> {
        let source = Source::of_bytes(bytes.to_vec(), "f").map_err(|error| error.to_string())?;
        let mut lines = Lines::new(source);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next_line().map_err(|error| error.to_string())? {
            all.push((number, line.to_owned()));
        }
        Ok(all)
    }

    #[test]
    fn lines_end_at_line_feeds_only() {
        let found = lines("a\r\n\n b\u{2028}c\u{85}\x0bd".as_bytes()).unwrap();
        let expected = [(1, "a\r"), (2, ""), (3, " b\u{2028}c\u{85}\x0bd")];
        assert_eq!(found, expected.map(|(n, line)| (n, line.to_owned())));
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
    fn other_bytes_are_named_with_their_line() {
        let message = lines(b"a\nb\xFF\n").unwrap_err();
        assert!(message.contains("line 2"), "{message}");
        let message = lines(b"a\0b").unwrap_err();
        assert!(message.contains("NUL"), "{message}");
        let message = lines(&vec![b'x'; LONGEST_LINE + (2 << 20)]).unwrap_err();
        assert!(message.contains("line 1"), "{message}");
    }

    #[test]
    fn a_file_shows_its_first_character_and_is_read_nevertheless() {
        let source = Source::of_bytes(b" \n [1,\n2]".to_vec(), "f").unwrap();
        let mut lines = Lines::new(source);
        assert_eq!(lines.first_character().unwrap(), Some(b'['));
        assert_eq!(lines.rest().unwrap(), " \n [1,\n2]");
    }
}
