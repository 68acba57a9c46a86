//! A csv file row by row, with the line that each row begins on.
//!
//! Lines end at `\n`, and a `\r` before it belongs to the line's end: so lines are numbered alike
//! with Unix's and with Windows' ends. A row is of bounded size, so that a quote that is never
//! closed ends in a message rather than in the whole file as one field.

use std::{
    cell::Cell,
    io::{self, Read},
};

use csv::{ByteRecord, ErrorKind, StringRecord, Terminator};

use super::{error::Error, source::LONGEST_LINE};

/// The rows of a file below its first line.
pub struct CsvFile<R: Read> {
    file: String,
    lines_before: usize,
    rows: csv::Reader<Bounded<io::Chain<R, &'static [u8]>>>,
    header: StringRecord,
    /// The line of the header.
    first_line: usize,
    row: StringRecord,
}

impl<R: Read> CsvFile<R> {
    /// Reads the first line; `lines_before` lines of the file stand before `bytes`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(bytes: R, file: &str, lines_before: usize) -> Result<Self, Error> {
        // The last row may lack its end.
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
            csv.header = header;
            csv.first_line = line;
        }
        Ok(csv)
    }

    /// The place of a column, by the first of its names that there is.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names
            .iter()
            .find_map(|name| self.header.iter().position(|found| found.trim() == *name))
    }

    /// The first row and its line, from 1; a row without a column if the file is empty.
    pub fn first_row(&self) -> (usize, StringRecord) {
        (self.first_line, self.header.clone())
    }

    /// The first line, cut where it is long.
    pub fn header(&self) -> String {
        let names: Vec<&str> = self.header.iter().take(8).collect();
        names.join(",").chars().take(80).collect()
    }

    /// The next row and its line, from 1.
    ///
    /// # Errors
    /// When the file cannot be read, is not UTF-8, or the row has other columns than the header
    /// or no end.
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
        self.row = row;
        Ok(Some((line, &self.row)))
    }

    fn read_row(&mut self) -> Result<Option<(usize, StringRecord)>, Error> {
        let mut row = ByteRecord::new();
        loop {
            self.rows.get_ref().read.set(0);
            let begin = self.line();
            if !self
                .rows
                .read_byte_record(&mut row)
                .map_err(|error| self.failed(error, begin))?
            {
                return Ok(None);
            }
            let last = row.len().saturating_sub(1);
            let ended = row.get(last).is_some_and(|field| field.ends_with(b"\r"));
            if ended {
                let fields = row.iter().enumerate();
                row = fields
                    .map(|(place, field)| match field {
                        [field @ .., b'\r'] if place == last => field,
                        field => field,
                    })
                    .collect();
            }
            // A blank line, of Windows.
            if row.len() > 1 || row.iter().any(|field| !field.is_empty()) {
                break;
            }
        }
        let breaks = row.as_slice().iter().filter(|&&byte| byte == b'\n').count();
        // Counted from the row's end, since blank lines before it were passed over. An open quote
        // takes the last line's end into its field.
        let ended = usize::from(!self.rows.get_ref().ended.get());
        let line = self.line().saturating_sub(breaks + ended);
        match StringRecord::from_byte_record(row) {
            Ok(row) => Ok(Some((line, row))),
            Err(error) => Err(self.broken(format!(
                "line {line}: expected UTF-8 text, found other bytes in column {}",
                error.utf8_error().field() + 1
            ))),
        }
    }

    /// The line that the reader has come to.
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

/// A reader that gives no more than a row may take before it is told that a new row begins.
struct Bounded<R> {
    bytes: R,
    read: Cell<usize>,
    /// Whether nothing more comes.
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
        let message = rows(b"a,b\n\n1,\"2\n3\n").unwrap();
        assert_eq!(message, [(3, vec!["1".to_owned(), "2\n3\n\n".to_owned()])]);
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
}
