//! The rows of a person's own table as they are, for a table that is written of them.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    error::Error,
    labels::Labels,
    rows::{Cells, Rows},
    train_labels,
};
use crate::{
    data::split::Split,
    tasks::description::{Column, Description},
};

/// A row with its label as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRow {
    pub text: String,
    pub text_b: Option<String>,
    /// None of a test file without labels.
    pub label: Option<String>,
    pub id: Option<String>,
}

impl OwnRow {
    /// The row under the names that `description` gives its columns.
    pub fn object(&self, description: &Description) -> Map<String, Value> {
        let cells = [
            (&description.text, Some(&self.text)),
            (&description.text_b, self.text_b.as_ref()),
            (&description.label, self.label.as_ref()),
            (&description.id, self.id.as_ref()),
        ];
        let there = cells.into_iter().filter_map(|(column, cell)| match column {
            Some(Column::Name(name)) => Some((name.clone(), Value::from(cell?.clone()))),
            _ => None,
        });
        there.collect()
    }
}

/// The labels of a task: the description's, or those of its train file.
///
/// # Errors
/// When the file cannot be read, or has fewer than two labels.
pub fn labels_of(train: &Path, description: &Description) -> Result<Labels, Error> {
    match Labels::of_description(description) {
        Some(labels) => Ok(labels),
        None => train_labels::labels(train, description),
    }
}

/// The rows of a file, and what was taken for what in it.
///
/// # Errors
/// When the file cannot be read, or a row lacks its text or has a label that is none of `labels`; of
/// a test file labels that are none are left out.
pub fn read_rows(
    path: &Path,
    split: Split,
    description: &Description,
    labels: &Labels,
) -> Result<(Vec<OwnRow>, Option<String>), Error> {
    let mut rows = Rows::of(path, split, description)?;
    let mut all = Vec::new();
    rows.read(&mut |cells| {
        let label = match label(&cells, description, labels) {
            Ok(label) => Some(label),
            Err(_) if split == Split::Test => None,
            Err(error) => return Err(error),
        };
        all.push(OwnRow {
            text: cells.text_a()?.to_owned(),
            text_b: cells.text_b()?.map(str::to_owned),
            label,
            id: cells.id()?,
        });
        Ok(())
    })?;
    Ok((all, rows.columns))
}

fn label(cells: &Cells<'_>, description: &Description, labels: &Labels) -> Result<String, Error> {
    let label = cells.label()?;
    if labels.gold(&label).is_some() {
        return Ok(label);
    }
    // The number of a name that was given, as `datasets` writes classes.
    let mut names = description.labels.iter().flatten();
    if let Some(name) = label.parse().ok().and_then(|number| names.nth(number)) {
        return Ok(name.clone());
    }
    let advice = "correct it, or add such examples to the train file, whose labels these are";
    Err(cells.wrong("label", &labels.expected(), &format!("{label:?}"), advice))
}
