//! Reads a csv file row by row, with the line number at which each row begins.
//!
//! Lines end at `\n`, and a preceding `\r` is part of the line ending, so lines are numbered the
//! same with Unix and Windows line endings. An unclosed quote gives an error instead of swallowing
//! the rest of the file as one field; since rows are limited in size, the error comes soon.

use std::{
    cell::Cell,
    io::{self, Read},
};

use csv::{ByteRecord, ErrorKind, Position, StringRecord, Terminator};

use super::{error::Error, source::LONGEST_LINE};

/// The rows of a file below its first line.
pub struct CsvFile<R: Read> {
    file: String,
    lines_before: usize,
    rows: csv::Reader<Bounded<io::Chain<R, &'static [u8]>>>,
    header: StringRecord,
    /// Line number of the header.
    first_line: usize,
    row: StringRecord,
}

impl<R: Read> CsvFile<R> {
    /// Reads the first line; `lines_before` lines of the file precede `bytes`.
    ///
    /// # Errors
    /// If it cannot be read or has an unclosed quote.
    pub fn new(bytes: R, file: &str, lines_before: usize) -> Result<Self, Error> {
        // The last row may lack its line ending.
        let bytes = bytes.chain(b"\n".as_slice());
        let mut csv = CsvFile {
            file: file.to_owned(),
            lines_before,
            rows: csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .terminator(Terminator::Any(b'\n'))
                .from_reader(Bounded {
                    bytes,
                    read: Cell::new(0),
                    ended: Cell::new(false),
                }),
            header: StringRecord::new(),
            first_line: lines_before + 1,
            row: StringRecord::new(),
        };
        if let Some((line, header)) = csv.read_row()? {
            csv.check_closed(line)?;
            csv.header = header;
            csv.first_line = line;
        }
        Ok(csv)
    }

    /// Returns the index of a column, by the first of these names that exists.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names
            .iter()
            .find_map(|name| self.header.iter().position(|found| found.trim() == *name))
    }

    /// Returns the first row and its line number, from 1; a row without columns if the file is
    /// empty.
    pub fn first_row(&self) -> (usize, StringRecord) {
        (self.first_line, self.header.clone())
    }

    /// Returns the first line, truncated if it is long.
    pub fn header(&self) -> String {
        let names: Vec<&str> = self.header.iter().take(8).collect();
        names.join(",").chars().take(80).collect()
    }

    /// Returns the next row and its line number, from 1.
    ///
    /// # Errors
    /// If the file cannot be read or is not UTF-8, or the row's columns do not match the header or
    /// it has an unclosed quote.
    pub fn next_row(&mut self) -> Result<Option<(usize, &StringRecord)>, Error> {
        let Some((line, row)) = self.read_row()? else {
            return Ok(None);
        };
        if row.len() != self.header.len() {
            let (expected, found) = (self.header.len(), row.len());
            return Err(self.broken(format!(
                "line {line}: expected {expected} columns, found {found}"
            )));
        }
        self.check_closed(line)?;
        self.row = row;
        Ok(Some((line, &self.row)))
    }

    fn read_row(&mut self) -> Result<Option<(usize, StringRecord)>, Error> {
        let mut row = ByteRecord::new();
        loop {
            self.rows.get_ref().read.set(0);
            let before = self.rows.position().clone();
            let begin = self.line();
            if !self
                .rows
                .read_byte_record(&mut row)
                .map_err(|error| self.failed(error, begin))?
            {
                return Ok(None);
            }
            if !self.is_blank(&row, &before) {
                break;
            }
        }
        let last = row.len().saturating_sub(1);
        if row.get(last).is_some_and(|field| field.ends_with(b"\r")) {
            let fields = row.iter().enumerate();
            row = fields
                .map(|(place, field)| match field {
                    [field @ .., b'\r'] if place == last => field,
                    field => field,
                })
                .collect();
        }
        let breaks = row.as_slice().iter().filter(|&&byte| byte == b'\n').count();
        // Counted back from the end of the row, since blank lines before it were skipped. An open
        // quote takes the last line ending into its field.
        let end = usize::from(!self.is_open());
        let line = self.line().saturating_sub(breaks + end);
        match StringRecord::from_byte_record(row) {
            Ok(row) => Ok(Some((line, row))),
            Err(error) => Err(self.broken(format!(
                "line {line}: expected UTF-8 text, found other bytes in column {}",
                error.utf8_error().field() + 1
            ))),
        }
    }

    /// Returns whether the row just read is a blank Windows line, `\r` alone. The reader skips
    /// blank Unix lines by itself. It also removes quotes, so that `""` before a `\r` leaves the
    /// same field, but that takes more bytes.
    fn is_blank(&self, row: &ByteRecord, before: &Position) -> bool {
        let now = self.rows.position();
        let bytes = now.byte().saturating_sub(before.byte());
        // A blank Unix line that was skipped is one byte and one line.
        let lines = now.line().saturating_sub(before.line());
        row.len() == 1 && row.get(0) == Some(b"\r".as_slice()) && bytes == lines + 1
    }

    /// Returns whether the row just read has an unclosed quote. Any other row ends at a line
    /// ending, the last of which is always present, before the reader asks for more input.
    fn is_open(&self) -> bool {
        self.rows.get_ref().ended.get()
    }

    fn check_closed(&self, line: usize) -> Result<(), Error> {
        match self.is_open() {
            true => Err(self.broken(format!(
                "line {line}: expected the end of the quoted text, found the end of the file; close the \
                 quote, or double a quote that belongs to the text"
            ))),
            false => Ok(()),
        }
    }

    /// Returns the line that the reader has reached.
    fn line(&self) -> usize {
        let line = usize::try_from(self.rows.position().line()).unwrap_or(usize::MAX);
        self.lines_before.saturating_add(line)
    }

    fn broken(&self, problem: String) -> Error {
        Error::Csv {
            file: self.file.clone(),
            problem,
        }
    }

    fn failed(&self, error: csv::Error, line: usize) -> Error {
        let text = error.to_string();
        let ErrorKind::Io(error) = error.into_kind() else {
            return self.broken(text);
        };
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<TooLong>()) => {
                Error::LongLine {
                    file: self.file.clone(),
                    line,
                    limit: LONGEST_LINE,
                }
            }
            Err(source) => Error::Read {
                path: self.file.clone().into(),
                source,
            },
        }
    }
}

/// A reader that yields no more bytes than a row may have until it is told that a new row begins.
struct Bounded<R> {
    bytes: R,
    read: Cell<usize>,
    /// Whether the input has ended.
    ended: Cell<bool>,
}

#[derive(Debug, thiserror::Error)]
#[error("a row without end")]
struct TooLong;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read.get() > LONGEST_LINE {
            return Err(io::Error::other(TooLong));
        }
        let read = self.bytes.read(buffer)?;
        self.ended.set(read == 0 && !buffer.is_empty());
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Result<Vec<(usize, Vec<String>)>, String> {
        let mut csv = CsvFile::new(bytes, "s.csv", 0).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        while let Some((line, row)) = csv.next_row().map_err(|error| error.to_string())? {
            all.push((line, row.iter().map(str::to_owned).collect()));
        }
        Ok(all)
    }

    #[test]
    fn lines_are_numbered_alike_with_both_ends() {
        let text = "a,b\n1,2\n\n3,\"4\n5\"\n6,\"7\"\n\n\n8,9";
        let expected = [
            (2, ["1", "2"]),
            (4, ["3", "4\n5"]),
            (6, ["6", "7"]),
            (9, ["8", "9"]),
        ];
        for (text, breaks) in [
            (text.to_owned(), "\n"),
            (text.replace('\n', "\r\n"), "\r\n"),
        ] {
            let found = rows(text.as_bytes()).unwrap();
            let expected = expected
                .map(|(line, row)| (line, row.map(|field| field.replace('\n', breaks)).to_vec()));
            assert_eq!(found, expected);
        }
        assert_eq!(rows(b"").unwrap(), []);
    }

    #[test]
    fn broken_rows_are_located() {
        for breaks in ["\n", "\r\n"] {
            let short = format!("a,b{breaks}1,2{breaks}3{breaks}");
            let message = rows(short.as_bytes()).unwrap_err();
            assert!(
                message.contains("line 3: expected 2 columns, found 1"),
                "{message}"
            );
        }
        let message = rows(b"a,b\n1,\xE9\n").unwrap_err();
        assert!(
            message.contains("line 2") && message.contains("column 2"),
            "{message}"
        );
        let mut open = b"a,b\n1,2\n1,\"".to_vec();
        open.resize(LONGEST_LINE + (1 << 20), b'x');
        let message = rows(&open).unwrap_err();
        assert!(
            message.contains("line 3") && message.contains("quote"),
            "{message}"
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_is_located() {
        for (text, line) in [
            ("a,b\n\n1,\"2\n3\n", 3),
            ("a,b\nx,good one\ny,\"open\nx,another\n", 3),
            ("a,b\nx,\"open\"\"\n", 2),
            ("a,b\nx,\"", 2),
            ("a,\"b\nx,y\n", 1),
            ("a\n\"", 2),
        ] {
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                let message = rows(text.as_bytes()).unwrap_err();
                let expected = format!(
                    "s.csv: line {line}: expected the end of the quoted text, found the end of the file; \
                     close the quote"
                );
                assert!(message.contains(&expected), "{text:?}: {message}");
            }
        }
    }

    #[test]
    fn a_closed_text_may_end_with_line_ends() {
        for (last, field) in [
            ("\"a\n\"", "a\n"),
            ("\"a\n\n\"", "a\n\n"),
            ("\"a\r\n\"", "a\r\n"),
            ("\"\n\"", "\n"),
            ("\"\"\"\"", "\""),
        ] {
            for end in ["", "\n", "\r\n", "\n\n"] {
                let text = format!("h,i\ny,{last}{end}");
                let found = rows(text.as_bytes()).unwrap();
                assert_eq!(
                    found,
                    [(2, vec!["y".to_owned(), field.to_owned()])],
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn a_quoted_empty_text_is_a_row_and_a_blank_line_is_none() {
        let text = "h\na\n\"\"\n\n\n\"\"\n\nb\n\"\"";
        let expected = [(2, "a"), (3, ""), (6, ""), (8, "b"), (9, "")];
        let expected = expected.map(|(line, cell)| (line, vec![cell.to_owned()]));
        for end in ["", "\n", "\n\n"] {
            let text = format!("{text}{end}");
            for text in [text.clone(), text.replace('\n', "\r\n")] {
                assert_eq!(rows(text.as_bytes()).unwrap(), expected, "{text:?}");
            }
        }
        // Both line endings in one file.
        let found = rows(b"h\n\n\n\r\n\"\"\r\n\n\r\n\"\"\n").unwrap();
        assert_eq!(found, [(5, vec![String::new()]), (8, vec![String::new()])]);
    }
}
