//! The unmodified rows of a user's table, for writing them to another table.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    advice::Advice,
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
    /// `None` for a test file without labels.
    pub label: Option<String>,
    pub id: Option<String>,
}

impl OwnRow {
    /// Returns the row under the names that `description` gives its columns.
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

/// The rows of a file, and the role of each column.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnTable {
    pub rows: Vec<OwnRow>,
    /// The role of each column, on one line.
    pub columns: Option<String>,
    /// The names of the columns of text, second text, label and id; `None` for a table without a
    /// header.
    pub names: Option<[Option<String>; 4]>,
}

/// The labels of a task, and how its files write them.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnLabels {
    pub labels: Labels,
    /// Whether they were given, and not found in the train file.
    are_given: bool,
    /// Whether integers stand for indices of the names, from 0, as `datasets` writes classes.
    numbers_are_places: bool,
}

/// Returns the labels of a task: the description's, or those of its train file. Integers stand for
/// indices if names are given and the train file has a label that is not among them.
///
/// # Errors
/// If the file cannot be read or has fewer than two labels.
pub fn labels_of(train: &Path, description: &Description) -> Result<OwnLabels, Error> {
    let labels = match Labels::of_description(description) {
        Some(labels) => labels,
        None => train_labels::labels(train, description)?,
    };
    let mut all_are_names = true;
    if description.labels.is_some() {
        Rows::of(train, Split::Train, description)?.read(&mut |cells| {
            // Invalid labels are rejected where the rows are read.
            let label = cells.label();
            all_are_names &= label.is_ok_and(|label| labels.gold(&label).is_some());
            Ok(())
        })?;
    }
    Ok(OwnLabels {
        labels,
        are_given: description.labels.is_some(),
        numbers_are_places: !all_are_names,
    })
}

/// Reads the rows of a file.
///
/// # Errors
/// If the file cannot be read, or a row lacks its text or has a label that is not in `labels`; in a
/// test file, invalid labels are left out.
pub fn read_rows(
    path: &Path,
    split: Split,
    description: &Description,
    labels: &OwnLabels,
) -> Result<OwnTable, Error> {
    let mut rows = Rows::of(path, split, description)?;
    let mut all = Vec::new();
    rows.read(&mut |cells| {
        let label = match labels.label(&cells) {
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
    Ok(OwnTable {
        rows: all,
        columns: rows.columns,
        names: rows.names,
    })
}

impl OwnLabels {
    /// Returns the name of a row's label.
    fn label(&self, cells: &Cells<'_>) -> Result<String, Error> {
        let label = cells.label()?;
        let place = match self.numbers_are_places {
            true => label.parse::<usize>().ok(),
            false => None,
        };
        let name = match place {
            Some(place) => u32::try_from(place)
                .ok()
                .map(|class| self.labels.name(class).to_owned())
                .filter(|name| !name.is_empty()),
            None => self.labels.gold(&label).map(|_| label.clone()),
        };
        name.ok_or_else(|| {
            let advice: Advice = match place {
                None if self.are_given => Advice::of_description(
                    "correct it, or the labels of the task",
                    "correct it, or add the label to --labels",
                ),
                Some(_) => {
                    "a whole number is the place of a name here, from 0, for not all labels of the train \
                     file are names: correct it, or the names"
                        .into()
                }
                None => {
                    "correct it, or add such examples to the train file, whose labels these are".into()
                }
            };
            let expected = self.labels.expected();
            cells.wrong("label", &expected, &format!("{label:?}"), advice)
        })
    }
}
