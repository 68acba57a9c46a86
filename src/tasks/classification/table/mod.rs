//! Users' own tables, row by row: TSV, csv, JSON Lines and JSON lists.

mod csv;
mod json;
pub mod row;
pub mod tsv;

use std::path::Path;

use serde_json::Value;

use self::{
    row::{Choose, Row, numbers},
    tsv::TsvFile,
};
use crate::{
    counted::{counted, counted_with},
    data,
    tasks::classification::error::{Error, Place},
};

/// File extensions of tables, before that of gzip.
pub const EXTENSIONS: &[&str] = &["tsv", "csv", "jsonl", "json"];

/// The format of a table, according to its file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns are separated by tabs, quotes are text, and no cell contains a line break.
    Tsv,
    /// Columns are separated by commas; RFC 4180.
    Csv,
    /// One object per row: one per line, or a list of them.
    Json,
}

impl Format {
    /// Returns the format of a file.
    ///
    /// # Errors
    /// If its name has another extension, or there is no such file.
    pub fn of(file: &Path) -> Result<Self, Error> {
        let ending = |path: &Path| {
            let ending = path.extension().unwrap_or_default();
            ending.to_string_lossy().to_ascii_lowercase()
        };
        let plain = match ending(file).as_str() {
            "gz" => file.file_stem().map(Path::new).unwrap_or(file),
            _ => file,
        };
        match ending(plain).as_str() {
            "tsv" => Ok(Self::Tsv),
            "csv" => Ok(Self::Csv),
            "json" | "jsonl" | "ndjson" => Ok(Self::Json),
            // What is no file is not to be renamed.
            _ if file.is_dir() || !file.exists() => Err(no_file(file)),
            other => Err(Error::Table {
                file: file.display().to_string(),
                expected: "a table: .tsv, .csv, .jsonl or .json, plain or .gz".to_owned(),
                found: match other {
                    "" => "no ending".to_owned(),
                    other => format!("the ending .{other}"),
                },
                advice: "save it as one of these, or rename it".into(),
            }),
        }
    }
}

/// The error for a folder, or for a path that leads to nothing.
fn no_file(path: &Path) -> Error {
    let path = path.to_owned();
    Error::Data(match path.metadata() {
        Err(source) => data::Error::Read { path, source },
        Ok(_) => data::Error::NotAFile {
            path,
            found: "a folder",
        },
    })
}

/// Reads a table. `choose` receives the names of the columns, which come from the first row or the
/// first object's keys, or are numbers if there is no header; it returns the columns that `take`
/// receives from every row.
///
/// # Errors
/// If the file cannot be read or has a row of another form, and those of `choose` and `take`.
pub fn read(
    path: &Path,
    format: Format,
    header: bool,
    choose: &mut Choose<'_>,
    take: &mut dyn FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    match format {
        Format::Tsv => read_tsv(path, header, choose, take),
        Format::Csv => csv::read(path, header, choose, take),
        Format::Json => json::read(path, choose, take),
    }
}

/// Unlike in the reference's files, a row must be as long as the others: a shorter one has usually
/// lost a part to a line break.
fn read_tsv(
    path: &Path,
    header: bool,
    choose: &mut Choose<'_>,
    take: &mut dyn FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut file = TsvFile::open(path)?;
    let name = file.file().to_owned();
    let mut chosen: Option<(usize, Vec<usize>)> = None;
    let mut quoted = 0;
    while let Some((line, cells)) = file.next_row()? {
        // A blank line.
        if cells.is_empty() {
            continue;
        }
        if chosen.is_none() {
            let names: Vec<String> = match header {
                true => cells.iter().map(|cell| cell.trim().to_owned()).collect(),
                false => numbers(cells.len()),
            };
            chosen = Some((cells.len(), choose(&names)?));
            if header {
                continue;
            }
        }
        let Some((columns, places)) = &chosen else {
            continue;
        };
        if cells.len() != *columns {
            return Err(Error::Row {
                file: name,
                place: Place::Line(line),
                expected: format!("{}, as the first row has them", counted(*columns, "column")),
                found: cells.len().to_string(),
                advice:
                    "separate columns by one tab each, and save texts with tabs or line breaks as \
                         csv or JSON lines"
                        .into(),
            });
        }
        let of_row = places.iter().map(|&place| {
            let cell = cells.get(place).copied().unwrap_or_default();
            quoted += usize::from(cell.len() > 1 && cell.starts_with('"') && cell.ends_with('"'));
            Value::from(cell)
        });
        let cells = of_row.collect();
        take(Row {
            place: Place::Line(line),
            cells,
        })?;
    }
    if quoted > 0 {
        log::warn!(
            "{name}: {} in double quotes, which belong to the text in a TSV file; if they do not, save the \
             table as csv",
            counted_with(quoted, "cell", ["stands", "stand"])
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_said_to_have_another_ending() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| Format::of(path).unwrap_err().to_string();
        assert_eq!(
            told(folder.path()),
            format!(
                "{}: expected a file, found a folder; give the path of a file",
                folder.path().display()
            )
        );
        let file = folder.path().join("films");
        assert!(
            told(&file)
                .ends_with("films: the file cannot be read; check the path and its permissions")
        );
        std::fs::write(&file, "").unwrap();
        assert!(told(&file).contains("found no ending; save it as one of these"));
        assert_eq!(
            Format::of(&folder.path().join("films.csv.gz")).unwrap(),
            Format::Csv
        );
    }
}
