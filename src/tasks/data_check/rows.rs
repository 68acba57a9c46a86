//! The rows of a file of texts or words as its task reads them, to tell which texts are equal and
//! what their labels are.

use std::path::Path;

use super::{
    Error, Options,
    subject::{Form, Part, Subject, TaskOf, subject},
};
use crate::{
    data::{existing_file::existing, split::Split},
    tasks::{
        classification::{error::Place, layout::Layout, plain_rows::plain_rows},
        description,
        tagging::{
            options::ReadOptions,
            reader::{read, read_test},
        },
    },
};

/// A row or a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOf {
    /// The line on which it begins, or its position in a list, from 1.
    pub place: usize,
    /// Its text, both texts of a pair, or its words.
    pub texts: Vec<String>,
    /// The class of a text.
    pub label: Option<String>,
}

/// The rows of a file with the kind of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsOf {
    pub kind: description::Kind,
    /// The role of each column, for a table with column names.
    pub columns: Option<String>,
    pub rows: Vec<RowOf>,
}

/// Reads the rows of one file; `None` for a file of questions. Rows that a task leaves out are
/// omitted.
///
/// # Errors
/// If the file cannot be read or does not have its task's form.
pub fn rows(path: &Path, options: &Options) -> Result<Option<RowsOf>, Error> {
    let Some(subject) = subject(path, options)? else {
        return Ok(None);
    };
    let kind = subject.task.kind();
    let mut all = RowsOf {
        kind,
        columns: None,
        rows: Vec::new(),
    };
    let Subject { task, files, .. } = subject;
    for part in files {
        all.add(&task, &part)?;
    }
    Ok(Some(all))
}

impl RowsOf {
    fn add(&mut self, task: &TaskOf, part: &Part) -> Result<(), Error> {
        // The archive, if that is what is read.
        let path = &existing(&part.path);
        match task.form(part) {
            Form::Texts(layout) => self.texts(path, part.split, layout),
            Form::Words(options) => self.words(path, part.split, &options),
        }
    }

    fn texts(&mut self, path: &Path, split: Split, layout: Layout<'_>) -> Result<(), Error> {
        let (rows, columns) = plain_rows(path, split, layout)?;
        self.columns = columns;
        let classes = self.kind == description::Kind::Classification;
        self.rows.extend(rows.into_iter().map(|row| RowOf {
            place: match row.place {
                Place::Line(place) | Place::Row(place) => place,
            },
            texts: row.texts,
            // Numeric labels are not classes to be sampled separately.
            label: row.label.filter(|_| classes),
        }));
        Ok(())
    }

    fn words(&mut self, path: &Path, split: Split, options: &ReadOptions) -> Result<(), Error> {
        let read = match split {
            Split::Test => read_test(path, options)?,
            _ => read(path, options)?,
        };
        let rows = read.sentences.into_iter().map(|sentence| RowOf {
            place: sentence.line,
            texts: vec![sentence.words.join(" ")],
            label: None,
        });
        self.rows.extend(rows);
        Ok(())
    }
}
