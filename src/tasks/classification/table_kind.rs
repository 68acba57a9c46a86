//! What a table holds that nothing describes: labelled texts, with classes or with numbers.

use std::path::Path;

use super::{columns::Columns, error::Error, rows::Rows, table::Format};
use crate::{
    data::split::Split,
    tasks::description::{self, Description},
};

/// Whether a table with a column of each of these names holds labelled texts, by the names that
/// published data sets have.
pub fn has_texts(names: &[String], format: Format, split: Split) -> bool {
    let description = Description::of(description::Kind::Classification);
    Columns::choose(&description, names, format, split, "").is_ok()
}

/// Whether the labels of a table are numbers to come near rather than classes: all are numbers, and
/// one at least is no whole one.
///
/// # Errors
/// If the file cannot be read or lacks a column.
pub fn kind_of(
    path: &Path,
    split: Split,
    description: &Description,
) -> Result<description::Kind, Error> {
    let description = Description {
        kind: description::Kind::Regression,
        ..description.clone()
    };
    let mut rows = Rows::of(path, split, &description)?;
    let (mut whole, mut numbers) = (true, true);
    rows.read(&mut |cells| {
        let number = cells.label().ok().and_then(|label| label.parse().ok());
        match number {
            Some(number) => whole &= f64::fract(number) == 0.0,
            None => numbers = false,
        }
        Ok(())
    })?;
    Ok(match numbers && !whole {
        true => description::Kind::Regression,
        false => description::Kind::Classification,
    })
}
