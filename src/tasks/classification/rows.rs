//! The rows of a user's table, with their cells by role.

use std::{cell::Cell, path::Path};

use serde_json::Value;

use super::{
    advice::Advice,
    columns::{Columns, has_header},
    error::{Error, Place},
    table::{self, Format, row::Row},
};
use crate::{
    data::split::Split,
    tasks::description::{Description, Kind},
};

/// A table that is read according to a description.
pub(super) struct Rows<'a> {
    path: &'a Path,
    /// The file's name in errors.
    pub file: String,
    split: Split,
    description: &'a Description,
    format: Format,
    header: bool,
    /// The role of each column; known after the first row has been read.
    pub columns: Option<String>,
    /// The names of the columns of text, second text, label and id; known after the first row has
    /// been read, and `None` for a table without column names.
    pub names: Option<[Option<String>; 4]>,
    /// Whether there is a label column; known after the rows have been read.
    pub labelled: bool,
}

impl<'a> Rows<'a> {
    /// # Errors
    /// If the file's name does not reveal its format, or the description does not say whether it
    /// has a header.
    pub fn of(path: &'a Path, split: Split, description: &'a Description) -> Result<Self, Error> {
        let file = path.display().to_string();
        let format = Format::of(path)?;
        let header = has_header(description, format, &file)?;
        Ok(Self {
            path,
            file,
            split,
            description,
            format,
            header,
            columns: None,
            names: None,
            labelled: false,
        })
    }

    /// Passes each row to `take`.
    ///
    /// # Errors
    /// If the file cannot be read or lacks a column, and those of `take`.
    pub fn read(
        &mut self,
        take: &mut dyn FnMut(Cells<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let chosen: Cell<Option<Columns>> = Cell::new(None);
        let told: Cell<Option<String>> = Cell::new(None);
        let called: Cell<Option<[Option<String>; 4]>> = Cell::new(None);
        let has_names = self.header || self.format == Format::Json;
        let (file, description) = (self.file.as_str(), self.description);
        let mut choose = |names: &[String]| {
            let columns = Columns::choose(description, names, self.format, self.split, file)?;
            let line = columns.line(names);
            log::info!("{file}: {line}");
            told.set(Some(line));
            called.set(has_names.then(|| columns.names(names)));
            chosen.set(Some(columns));
            Ok(columns.places())
        };
        let mut hand_on = |row: Row| match chosen.get() {
            Some(columns) => take(Cells::new(file, description.kind, &row, columns)),
            None => Ok(()),
        };
        table::read(
            self.path,
            self.format,
            self.header,
            &mut choose,
            &mut hand_on,
        )?;
        self.columns = told.into_inner();
        self.names = called.into_inner();
        self.labelled = chosen.get().is_some_and(|columns| columns.label.is_some());
        Ok(())
    }
}

impl Rows<'_> {
    /// Returns the columns and a description of their roles, without reading rows; `None` for a
    /// file without a row that has any.
    ///
    /// # Errors
    /// If the file cannot be read or lacks a column.
    pub fn chosen(&self) -> Result<Option<(Columns, String)>, Error> {
        let (file, description) = (self.file.as_str(), self.description);
        let chosen = Cell::new(None);
        let mut choose = |names: &[String]| {
            let columns = Columns::choose(description, names, self.format, self.split, file)?;
            chosen.set(Some((columns, columns.line(names))));
            // An error stops the reading; nobody sees it.
            Err(Error::Table {
                file: file.to_owned(),
                expected: "no more than its columns".to_owned(),
                found: "them".to_owned(),
                advice: "".into(),
            })
        };
        let read = table::read(
            self.path,
            self.format,
            self.header,
            &mut choose,
            &mut |_| Ok(()),
        );
        match (chosen.into_inner(), read) {
            (Some(chosen), _) => Ok(Some(chosen)),
            (None, read) => read.map(|()| None),
        }
    }
}

/// The cells of a row.
pub(super) struct Cells<'a> {
    pub file: &'a str,
    kind: Kind,
    place: Place,
    text_a: &'a Value,
    text_b: Option<&'a Value>,
    label: Option<&'a Value>,
    id: Option<&'a Value>,
}

impl<'a> Cells<'a> {
    /// Wraps the cells of a row, which come in the order of [`Columns::places`].
    fn new(file: &'a str, kind: Kind, row: &'a Row, columns: Columns) -> Self {
        let mut cells = row.cells.iter();
        let text_a = cells.next().unwrap_or(&Value::Null);
        let mut next = |there: bool| if there { cells.next() } else { None };
        Self {
            file,
            kind,
            place: row.place,
            text_a,
            text_b: next(columns.text_b.is_some()),
            label: next(columns.label.is_some()),
            id: next(columns.id.is_some()),
        }
    }

    /// Returns the position of the row.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Returns the text, or the first of two.
    ///
    /// # Errors
    /// If there is none.
    pub fn text_a(&self) -> Result<&'a str, Error> {
        self.text("text", self.text_a)?.ok_or_else(|| {
            let advice = "remove the row, or give it a text";
            self.wrong("text", "a text", "none", advice)
        })
    }

    /// Returns the second text, if the table has a column for it.
    ///
    /// # Errors
    /// If the row has none: a model of pairs would read the first text as a pair.
    pub fn text_b(&self) -> Result<Option<&'a str>, Error> {
        let Some(cell) = self.text_b else {
            return Ok(None);
        };
        let text = self.text("text_b", cell)?.ok_or_else(|| {
            let advice = Advice::of_description(
                "remove the row, or give it a second text; if no row has one, name the column of the first \
                 alone: \"text\" in task.json, or --text",
                "remove the row, or give it a second text; if no row has one, name the column of the first \
                 alone (--text)",
            );
            self.wrong("text_b", "a text", "none", advice)
        })?;
        Ok(Some(text))
    }

    fn text(&self, key: &str, cell: &'a Value) -> Result<Option<&'a str>, Error> {
        match cell {
            Value::String(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            other => Err(self.wrong(key, "a text", kind(other), "put it in quotes")),
        }
    }

    /// Returns the label as text, without surrounding blanks; in JSON it may also be a boolean or
    /// an integer or, for a regression, any number.
    ///
    /// # Errors
    /// If there is none, or if it is something else.
    pub fn label(&self) -> Result<String, Error> {
        let numbers = self.kind == Kind::Regression;
        let expected = match numbers {
            true => "a number",
            false => "a text, a whole number, true or false",
        };
        let lacking = || {
            let advice = "give every row a label, or remove the row";
            self.wrong("label", expected, "none", advice)
        };
        match self.label {
            None | Some(Value::Null) => Err(lacking()),
            Some(Value::String(text)) => match text.trim() {
                "" => Err(lacking()),
                label => Ok(label.to_owned()),
            },
            Some(Value::Number(number)) if numbers || !number.is_f64() => Ok(number.to_string()),
            Some(Value::Bool(label)) if !numbers => Ok(label.to_string()),
            Some(other) => {
                let found = match other {
                    Value::Number(number) => format!("the number {number}"),
                    other => kind(other).to_owned(),
                };
                let advice = match numbers {
                    true => Advice::of_description(
                        "write it as a number, or make the kind in task.json classification",
                        "write it as a number, or make it --kind classification",
                    ),
                    false => Advice::of_description(
                        "write labels as texts, or make the kind in task.json regression",
                        "write labels as texts, or make it --kind regression",
                    ),
                };
                Err(self.wrong("label", expected, &found, advice))
            }
        }
    }

    /// Returns the row's id, if it has one.
    ///
    /// # Errors
    /// If it is neither text nor an integer.
    pub fn id(&self) -> Result<Option<String>, Error> {
        match self.id {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
            Some(other) => {
                let advice = Advice::of_description(
                    "write ids as texts, or take \"id\" out of task.json",
                    "write ids as texts, or leave --id out",
                );
                Err(self.wrong("id", "a text or a whole number", kind(other), advice))
            }
        }
    }

    /// Creates the error for a cell that is not what `key` should be.
    pub fn wrong(
        &self,
        key: &str,
        expected: &str,
        found: &str,
        advice: impl Into<Advice>,
    ) -> Error {
        Error::Row {
            file: self.file.to_owned(),
            place: self.place,
            expected: format!("{expected} as {key}"),
            found: found.chars().take(80).collect(),
            advice: advice.into(),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        // NaN and the infinities appear as a list here: the JSON reader has no other representation
        // for them.
        Value::Array(_) => "a list, NaN or Infinity",
        Value::Object(_) => "an object",
    }
}
