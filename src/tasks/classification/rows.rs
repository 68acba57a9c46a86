//! The rows of a person's own table, with their cells by what they hold.

use std::{cell::Cell, path::Path};

use serde_json::Value;

use super::{
    columns::{Columns, has_header},
    error::{Error, Place},
    table::{self, Format, row::Row},
};
use crate::{
    data::split::Split,
    tasks::description::{Description, Kind},
};

/// A table that is read by a description.
pub(super) struct Rows<'a> {
    path: &'a Path,
    /// The name that errors give the file.
    pub file: String,
    split: Split,
    description: &'a Description,
    format: Format,
    header: bool,
    /// What was taken for what; known once the first row was read.
    pub columns: Option<String>,
    /// The names of the columns of text, second text, label and id; known once the first row was read,
    /// and `None` of a table without names.
    pub names: Option<[Option<String>; 4]>,
    /// Whether there is a column of labels; known once the rows were read.
    pub labelled: bool,
}

impl<'a> Rows<'a> {
    /// # Errors
    /// When the file's name does not tell its format, or the description whether it has a header.
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

    /// Hands on row by row.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column, and those of `take`.
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
    /// The columns and what was taken for what; `None` of a file without a row that has any. No row is
    /// read.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column.
    pub fn chosen(&self) -> Result<Option<(Columns, String)>, Error> {
        let (file, description) = (self.file.as_str(), self.description);
        let chosen = Cell::new(None);
        let mut choose = |names: &[String]| {
            let columns = Columns::choose(description, names, self.format, self.split, file)?;
            chosen.set(Some((columns, columns.line(names))));
            // An error ends the reading; nobody sees it.
            Err(Error::Table {
                file: file.to_owned(),
                expected: "no more than its columns".to_owned(),
                found: "them".to_owned(),
                advice: String::new(),
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
    /// The cells of a row, which come in the order of [`Columns::places`].
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

    /// Where the row stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The text, or the first of two.
    ///
    /// # Errors
    /// When there is none.
    pub fn text_a(&self) -> Result<&'a str, Error> {
        self.text("text", self.text_a)?.ok_or_else(|| {
            let advice = "remove the row, or give it a text";
            self.wrong("text", "a text", "none", advice)
        })
    }

    /// The second text, if the table has a column of them.
    ///
    /// # Errors
    /// When the row has none: a model of pairs would take the first text for a pair.
    pub fn text_b(&self) -> Result<Option<&'a str>, Error> {
        let Some(cell) = self.text_b else {
            return Ok(None);
        };
        let text = self.text("text_b", cell)?.ok_or_else(|| {
            let advice = "remove the row, or give it a second text; if no row has one, name the column \
                          of the first alone: \"text\" in task.json, or --text";
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

    /// The label's text, that of a truth value or of a whole number in JSON, too; of a regression
    /// that of any number. Blanks around it are no part of it.
    ///
    /// # Errors
    /// When there is none, or when it is something else.
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
                    true => "write it as a number, or make the kind in task.json classification",
                    false => "write labels as texts, or make the kind in task.json regression",
                };
                Err(self.wrong("label", expected, &found, advice))
            }
        }
    }

    /// What the row is called, if it has a name.
    ///
    /// # Errors
    /// When it is no text and no whole number.
    pub fn id(&self) -> Result<Option<String>, Error> {
        match self.id {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
            Some(other) => {
                let advice = "write ids as texts, or take \"id\" out of task.json";
                Err(self.wrong("id", "a text or a whole number", kind(other), advice))
            }
        }
    }

    /// The error for a cell that is not what `key` should be.
    pub fn wrong(&self, key: &str, expected: &str, found: &str, advice: &str) -> Error {
        Error::Row {
            file: self.file.to_owned(),
            place: self.place,
            expected: format!("{expected} as {key}"),
            found: found.chars().take(80).collect(),
            advice: advice.to_owned(),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        // What no number is, stands as a list here: the reader of JSON has no other place for it.
        Value::Array(_) => "a list, NaN or Infinity",
        Value::Object(_) => "an object",
    }
}
