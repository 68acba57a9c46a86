//! Reads a TSV file row by row, as Python's `csv` module does without quoting: quotes are text.
//!
//! A `\r` before the line ending is dropped; one inside a line is an error, and so is a cell longer
//! than Python's `csv.field_size_limit`, on which the reference fails too.

use std::path::Path;

use crate::{
    data::line_reader::LineReader,
    tasks::classification::error::{Error, Place},
};

/// Most characters in a cell that Python's `csv` module accepts.
const LONGEST_CELL: usize = 131_072;

/// A file that is read row by row.
pub struct TsvFile(LineReader);

impl TsvFile {
    /// # Errors
    /// If the file cannot be opened or is not text.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self(LineReader::open(path)?))
    }

    /// Returns the file's name in errors.
    pub fn file(&self) -> &str {
        self.0.file()
    }

    /// Returns the line number of the next row, from 1, and its cells; a blank line has none.
    ///
    /// # Errors
    /// If the file cannot be read, or the line is not valid in a TSV file.
    pub fn next_row(&mut self) -> Result<Option<(usize, Vec<&str>)>, Error> {
        let file = self.0.file().to_owned();
        let Some((line, text)) = self.0.next_line()? else {
            return Ok(None);
        };
        let broken = |expected: &str, found: String, advice: &str| Error::Row {
            file: file.clone(),
            place: Place::Line(line),
            expected: expected.to_owned(),
            found,
            advice: advice.into(),
        };
        let text = text.trim_end_matches('\r');
        if let Some(at) = text.find('\r') {
            let column = text[..at].matches('\t').count() + 1;
            return Err(broken(
                "lines that end at a line feed",
                format!("a carriage return inside column {column}"),
                "save the file with Unix's or Windows' line ends, and take line breaks out of texts",
            ));
        }
        if text.is_empty() {
            return Ok(Some((line, Vec::new())));
        }
        let cells: Vec<&str> = text.split('\t').collect();
        for (column, cell) in (1..).zip(&cells) {
            // A character takes at least one byte.
            if cell.len() <= LONGEST_CELL {
                continue;
            }
            let characters = cell.chars().count();
            if characters > LONGEST_CELL {
                return Err(broken(
                    "cells of at most 131072 characters",
                    format!("{characters} in column {column}"),
                    "check that the file is a TSV file; the model reads far less of a text",
                ));
            }
        }
        Ok(Some((line, cells)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Result<Vec<(usize, Vec<String>)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tsv");
        std::fs::write(&path, bytes).unwrap();
        let mut file = TsvFile::open(&path).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        while let Some((line, cells)) = file.next_row().map_err(|error| error.to_string())? {
            all.push((line, cells.into_iter().map(str::to_owned).collect()));
        }
        Ok(all)
    }

    #[test]
    fn quotes_are_text_and_blanks_stay() {
        let found = rows("\"a\t b \"\"\r\n\n\t\nx".as_bytes()).unwrap();
        let cells: Vec<Vec<&str>> = found
            .iter()
            .map(|(_, cells)| cells.iter().map(String::as_str).collect())
            .collect();
        assert_eq!(
            cells,
            [vec!["\"a", " b \"\""], vec![], vec!["", ""], vec!["x"]]
        );
        assert_eq!(found[3].0, 4);
        // Python's reader drops all of them.
        assert_eq!(rows(b"a\r\r\nb\r").unwrap()[1].1, ["b"]);
    }

    #[test]
    fn carriage_returns_and_long_cells_end_the_run() {
        let message = rows(b"a\tb\nc\td\re\n").unwrap_err();
        for part in ["x.tsv", "line 2", "column 2", "carriage return"] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
        let longest = "é".repeat(LONGEST_CELL);
        assert_eq!(rows(longest.as_bytes()).unwrap().len(), 1);
        let message = rows(format!("a\t{longest}é").as_bytes()).unwrap_err();
        assert!(
            message.contains("131073 in column 2") && message.contains("line 1"),
            "{message}"
        );
    }
}
