//! Turns a user's file of labelled texts or tagged words into a task folder: `task.json`, and JSON
//! Lines files for train, dev and test.
//!
//! Nothing in the folder is replaced. The description is written last, so a folder with a
//! description is complete.

mod column_names;
mod error;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use self::column_names::column_names;
pub use self::error::Error;
use super::{
    classification::{
        own_rows::{OwnRow, OwnTable, labels_of, read_rows},
        table,
        table_kind::kind_of,
    },
    description::{self, Description},
    held_out::held_out,
    registry,
    tagging::{
        labels::Labels as Tags,
        options::{self as tagging, ReadOptions},
        reader::{read, read_test},
        rules::Rules,
        sentence::Sentence,
    },
};
use crate::{
    data::{existing_file::existing, split::Split},
    durable_file::{is_same_file, write_whole},
    eval,
};

/// What to read, and where to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub train: PathBuf,
    pub dev: Option<PathBuf>,
    pub test: Option<PathBuf>,
    pub folder: PathBuf,
    /// The share of the train file that becomes the dev file, from 0 to 1.
    pub dev_share: Option<f64>,
    /// Seed for drawing the dev file.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written {
    /// Name of the task, which is that of its folder.
    pub task: String,
    pub folder: PathBuf,
    pub kind: description::Kind,
    /// The role of each column of the train file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    /// The classes in the order of their ids, or the types of spans.
    pub labels: Vec<String>,
    pub files: Vec<WrittenFile>,
}

/// A file with the number of its rows or sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    pub file: PathBuf,
    pub rows: usize,
}

/// Writes the folder of a text task. Without `kind`, labels that are numbers with a fractional part
/// make it a regression; `columns` says where texts and labels are.
///
/// # Errors
/// If a file cannot be read, lacks a column, has a row without text or label or a label that the
/// train file lacks, or if the folder holds a task or cannot be written.
pub fn write_texts(
    request: &Request,
    columns: &Description,
    kind: Option<description::Kind>,
) -> Result<Written, Error> {
    let task = request.check(table::EXTENSIONS)?;
    let kind = match kind {
        Some(kind) => kind,
        None => kind_of(&request.train, Split::Train, columns).map_err(Error::by_flags)?,
    };
    let read = Description {
        kind,
        ..columns.clone()
    };
    let labels = labels_of(&request.train, &read).map_err(Error::by_flags)?;
    let of = |file: &Path, split| read_rows(file, split, &read, &labels).map_err(Error::by_flags);
    let OwnTable {
        rows: mut train,
        columns: line,
        names: found,
    } = of(&request.train, Split::Train)?;
    let of_other = |file: &Option<PathBuf>, split| -> Result<Option<Vec<OwnRow>>, Error> {
        let file = file.as_deref();
        file.map(|file| Ok(of(file, split)?.rows)).transpose()
    };
    let mut dev = of_other(&request.dev, Split::Dev)?;
    let test = of_other(&request.test, Split::Test)?;
    if let Some(share) = request.dev_share {
        let by = |row: &OwnRow| {
            let texts = [Some(&row.text), row.text_b.as_ref()];
            let texts = texts.into_iter().flatten().cloned().collect();
            // Numeric labels are not classes to be sampled separately.
            let label = match kind {
                description::Kind::Regression => None,
                _ => row.label.clone(),
            };
            (texts, label)
        };
        let held = held_out(&mut train, share, request.seed, by);
        dev = Some(held.map_err(|source| Error::Share { share, source })?);
    }
    let has = |part: fn(&OwnRow) -> bool| {
        let rows = train.iter().chain(dev.iter().flatten());
        rows.chain(test.iter().flatten()).any(part)
    };
    let there = [
        true,
        has(|row| row.text_b.is_some()),
        true,
        has(|row| row.id.is_some()),
    ];
    let [text, text_b, label, id] = column_names(found, columns, there);
    let names = labels.labels.classes();
    let description = Description {
        text,
        text_b,
        label,
        id,
        labels: names.clone(),
        range: match kind {
            description::Kind::Regression => columns
                .range
                .or_else(|| range_of(train.iter().chain(dev.iter().flatten()))),
            _ => None,
        },
        ..Description::of(kind)
    };
    let line_of = |row: &OwnRow| Value::Object(row.object(&description));
    let parts = [
        (Split::Train, Some(train)),
        (Split::Dev, dev),
        (Split::Test, test),
    ];
    let files = request.write(parts, line_of, &description)?;
    Ok(Written {
        task,
        folder: request.folder.clone(),
        kind,
        columns: line,
        labels: names.unwrap_or_default(),
        files,
    })
}

/// Returns the smallest and largest numeric label.
fn range_of<'a>(rows: impl Iterator<Item = &'a OwnRow>) -> Option<[f64; 2]> {
    let mut labels = rows.filter_map(|row| row.label.as_deref()?.trim().parse::<f64>().ok());
    let first = labels.next()?;
    Some(labels.fold([first; 2], |[min, max], label| {
        [label.min(min), label.max(max)]
    }))
}

/// Writes the folder of a tagging task, with tags in BIOES.
///
/// # Errors
/// If a file cannot be read or has no tagged sentence, or if the folder holds a task or cannot be
/// written.
pub fn write_words(request: &Request, columns: &Description) -> Result<Written, Error> {
    let task = request.check(tagging::EXTENSIONS)?;
    let options = ReadOptions::of_description(columns);
    let train = read(&request.train, &options)?;
    let tags = Tags::of_files([&train], Rules::Usual)?;
    let labels = tags.kinds().into_iter().map(str::to_owned).collect();
    let mut train = train.sentences;
    let dev = request.dev.as_deref().map(|file| read(file, &options));
    let mut dev = dev.transpose()?.map(|dev| dev.sentences);
    let test = request.test.as_deref();
    let test = test.map(|file| read_test(file, &options)).transpose()?;
    if let Some(share) = request.dev_share {
        let by = |sentence: &Sentence| (vec![sentence.words.clone()], ());
        let held = held_out(&mut train, share, request.seed, by);
        dev = Some(held.map_err(|source| Error::Share { share, source })?);
    }
    let lines = |sentences: Vec<Sentence>, labelled| -> Vec<Value> {
        let lines = sentences.iter();
        lines.map(|sentence| line_of(sentence, labelled)).collect()
    };
    let parts = [
        (Split::Train, Some(lines(train, true))),
        (Split::Dev, dev.map(|dev| lines(dev, true))),
        (
            Split::Test,
            test.map(|test| lines(test.sentences, test.labelled)),
        ),
    ];
    let kind = description::Kind::Tagging;
    let files = request.write(parts, Value::clone, &Description::of(kind))?;
    Ok(Written {
        task,
        folder: request.folder.clone(),
        kind,
        columns: None,
        labels,
        files,
    })
}

/// Formats a sentence as a row, with its tags in BIOES if it has any.
fn line_of(sentence: &Sentence, labelled: bool) -> Value {
    let mut object = Map::new();
    object.insert("tokens".to_owned(), sentence.words.clone().into());
    if labelled {
        let tags = sentence.tags();
        let tags = tags.iter().map(|tag| Value::from(tag.to_string()));
        object.insert("tags".to_owned(), tags.collect());
    }
    Value::Object(object)
}

impl Request {
    /// Rejects a folder that holds task files before anything is read; returns the task's name.
    fn check(&self, extensions: &[&str]) -> Result<String, Error> {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| registry::is_name(name));
        let name = name.ok_or_else(|| Error::NoName {
            folder: self.folder.clone(),
        })?;
        if registry::find(name).is_some() {
            return Err(Error::NameOfOurs {
                name: name.to_owned(),
            });
        }
        let splits = ["train", "dev", "test"];
        let data = splits.iter().flat_map(|split| {
            let files = extensions.iter();
            files.map(move |extension| format!("{split}.{extension}"))
        });
        for name in data.chain([description::FILE.to_owned()]) {
            let file = existing(&self.folder.join(name));
            if file.symlink_metadata().is_ok() {
                let inputs = [Some(&self.train), self.dev.as_ref(), self.test.as_ref()];
                let mut inputs = inputs.into_iter().flatten();
                return Err(match inputs.any(|input| is_same_file(input, &file)) {
                    true => Error::IsInput { file },
                    false => Error::Exists { file },
                });
            }
        }
        Ok(name.to_owned())
    }

    /// Writes the parts that are present, and the description.
    fn write<T>(
        &self,
        parts: [(Split, Option<Vec<T>>); 3],
        line_of: impl Fn(&T) -> Value,
        description: &Description,
    ) -> Result<Vec<WrittenFile>, Error> {
        let failed = |path: &Path, source| eval::Error::Write {
            path: path.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for (split, rows) in parts {
            let Some(rows) = rows else { continue };
            let file = self.folder.join(format!("{}.jsonl", split.name()));
            let written = write_whole(&file, |out| {
                rows.iter()
                    .try_for_each(|row| writeln!(out, "{}", line_of(row)))
            });
            written.map_err(|source| failed(&file, source))?;
            let rows = rows.len();
            files.push(WrittenFile { file, rows });
        }
        let file = self.folder.join(description::FILE);
        let written = write_whole(&file, |out| {
            serde_json::to_writer_pretty(&mut *out, description)?;
            out.write_all(b"\n")
        });
        written.map_err(|source| failed(&file, source))?;
        Ok(files)
    }
}
