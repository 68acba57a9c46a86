//! A csv file → rows.

use std::path::Path;

use csv::StringRecord;
use serde_json::Value;

use super::row::{Choose, Row, numbers};
use crate::{
    data::{csv_file::CsvFile, source::Source},
    tasks::classification::error::{Error, Place},
};

/// # Errors
/// If the file cannot be read, has a row of another length or a NUL, and those of `choose` and
/// `take`.
pub(super) fn read(
    path: &Path,
    header: bool,
    choose: &mut Choose<'_>,
    take: &mut dyn FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let source = Source::open(path)?;
    let file = source.file().to_owned();
    let mut csv = CsvFile::new(source, &file, 0)?;
    let (line, first) = csv.first_row();
    // An empty file.
    if first.is_empty() {
        return Ok(());
    }
    let names = match header {
        true => first.iter().map(|name| name.trim().to_owned()).collect(),
        false => numbers(first.len()),
    };
    let places = choose(&names)?;
    let mut hand_on = |line: usize, row: &StringRecord| {
        if let Some(column) = row.iter().position(|cell| cell.contains('\0')) {
            return Err(Error::Row {
                file: file.clone(),
                place: Place::Line(line),
                expected: "text".to_owned(),
                found: format!("a NUL in column {}", column + 1),
                advice: "the file is damaged, or is not text: fetch or save it again".into(),
            });
        }
        let cells = places
            .iter()
            .map(|&place| Value::from(row.get(place).unwrap_or_default()));
        take(Row {
            place: Place::Line(line),
            cells: cells.collect(),
        })
    };
    if !header {
        hand_on(line, &first)?;
    }
    while let Some((line, row)) = csv.next_row()? {
        hand_on(line, row)?;
    }
    Ok(())
}
