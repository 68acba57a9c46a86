//! The rows of a file of texts as they are, labelled or not, for files that are split, merged or
//! compared.

use std::path::Path;

use super::{
    error::{Error, Place},
    glue_reader,
    layout::Layout,
    rows::Rows,
    table::Format,
};
use crate::data::split::Split;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRow {
    pub place: Place,
    /// One text or two, without surrounding blanks.
    pub texts: Vec<String>,
    /// As in the file, if present.
    pub label: Option<String>,
}

/// Reads the rows of a file, and describes the role of each column on one line. Rows that the task
/// leaves out are omitted.
///
/// # Errors
/// If the file cannot be read or lacks a column, or a row has no text.
pub fn plain_rows(
    path: &Path,
    split: Split,
    layout: Layout<'_>,
) -> Result<(Vec<PlainRow>, Option<String>), Error> {
    let mut all = Vec::new();
    let mut add = |place, a: &str, b: Option<&str>, label| {
        let texts = [Some(a), b].into_iter().flatten();
        let texts = texts.map(|text| text.trim().to_owned()).collect();
        all.push(PlainRow {
            place,
            texts,
            label,
        });
    };
    let of_task;
    let description = match layout {
        Layout::Own(description) => description,
        Layout::Glue(task, _) if matches!(Format::of(path), Ok(Format::Csv | Format::Json)) => {
            of_task = task.labels().description();
            &of_task
        }
        Layout::Glue(_, glue) => {
            glue_reader::each_row(path, glue, false, |_, row| {
                if let Ok(row) = row {
                    let label = row.label.map(str::to_owned);
                    add(Place::Line(row.line), row.text_a, row.text_b, label);
                }
                Ok(())
            })?;
            return Ok((all, None));
        }
    };
    let mut rows = Rows::of(path, split, description)?;
    rows.read(&mut |cells| {
        // A check reports missing labels.
        let label = cells.label().ok();
        add(cells.place(), cells.text_a()?, cells.text_b()?, label);
        Ok(())
    })?;
    Ok((all, rows.columns))
}
