//! A file of labelled texts or tagged words as raw items, alongside the rows that its task reads.

use std::{borrow::Cow, path::Path};

use super::{
    error::Error,
    item_file::{Body, Frame, Item, ItemFile, Layout},
};
use crate::{
    data::existing_file::existing,
    tasks::{
        classification::table::Format,
        data_check::rows::{RowOf, RowsOf},
        description::Kind,
    },
    text::normalizer::is_blank,
};

/// A file of rows.
#[derive(Debug)]
pub(super) struct RowItems {
    pub file: String,
    pub kind: Kind,
    pub frame: Frame,
    /// What precedes the first row: the header of a TSV file.
    pub head: Vec<Item>,
    pub items: Vec<Item>,
    /// The rows in each item: one, or none if the task leaves it out; between two blank lines of a
    /// file of words there may be several sentences.
    pub rows: Vec<Vec<RowOf>>,
}

impl RowItems {
    /// Reads the items of a file and assigns these rows to them.
    ///
    /// # Errors
    /// If it cannot be read or cannot be written again as it is.
    pub fn read(path: &Path, of_task: RowsOf) -> Result<Self, Error> {
        let RowsOf { kind, rows, .. } = of_task;
        let layout = match (Format::of(&existing(path)), kind) {
            (Ok(Format::Json), _) => Layout::Json,
            (_, Kind::Tagging) => Layout::Blocks,
            (Ok(Format::Csv), _) => Layout::Csv,
            // The engine's own tasks use TSV, whatever their files are called.
            _ => Layout::Lines,
        };
        let mut file = ItemFile::read(path, layout)?;
        let header_is_row = rows.iter().any(|row| row.place == file.header_line);
        if header_is_row {
            file.without_names();
        }
        let mut of_items: Vec<Vec<RowOf>> = vec![Vec::new(); file.items.len()];
        for row in rows {
            let behind = file.items.partition_point(|item| item.place <= row.place);
            if let Some(rows) = behind.checked_sub(1).and_then(|at| of_items.get_mut(at)) {
                rows.push(row);
            }
        }
        let has_head = file.frame == Frame::Lines;
        let first = of_items.iter().position(|rows| !rows.is_empty());
        let head = first.filter(|_| has_head).unwrap_or(0);
        let items = file.items.split_off(head);
        Ok(Self {
            file: file.file,
            kind,
            frame: file.frame,
            head: file.items,
            items,
            rows: of_items.split_off(head),
        })
    }

    /// Returns the number of rows.
    pub fn count(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }

    /// Returns what the rows are called.
    pub fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Tagging => "sentence",
            _ => "row",
        }
    }

    /// Returns the number of columns of a file with a word on each line, as its first word has
    /// them; `None` for other files.
    pub fn columns(&self) -> Option<usize> {
        if self.frame != Frame::Blocks {
            return None;
        }
        let mut items = self.items.iter().zip(&self.rows);
        let (item, row) = items.find_map(|(item, rows)| Some((item, rows.first()?)))?;
        let Body::Text(text) = &item.body else {
            return None;
        };
        let line = text.split('\n').nth(row.place.checked_sub(item.place)?)?;
        // As the reader of words separates them.
        Some(match line.contains('\t') {
            true => line.split('\t').count(),
            false => line.split(is_blank).filter(|cell| !cell.is_empty()).count(),
        })
    }

    /// Returns the head and the items whose index `keep` accepts.
    pub fn kept<'a>(
        &'a self,
        keep: &'a dyn Fn(usize) -> bool,
    ) -> impl Iterator<Item = Cow<'a, Body>> {
        let items = self.items.iter().enumerate();
        let items = items.filter(|(number, _)| keep(*number));
        let head = self.head.iter();
        head.chain(items.map(|(_, item)| item))
            .map(|item| Cow::Borrowed(&item.body))
    }
}
