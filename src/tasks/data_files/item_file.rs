//! A data file as a list of articles, passages, rows or sentences that can be written again in its
//! own form.
//!
//! JSON values are preserved; whitespace and escapes may change. Lines of text are preserved byte
//! for byte.

use std::{
    borrow::Cow,
    io::{self, Write},
    path::Path,
};

use csv::WriterBuilder;
use serde_json::{Deserializer, Map, Value};

use super::error::Error;
use crate::{
    data::{
        csv_file::CsvFile,
        json_text::mend,
        line_reader::LineReader,
        source::{Source, read_text},
    },
    text::normalizer::is_blank,
};

/// What surrounds the items.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    /// `{"data": […]}`, with null in place of the items.
    Document(Map<String, Value>),
    /// `[…]`
    List,
    /// One object per line.
    JsonLines,
    /// Csv rows below a header of column names, or without one.
    Csv(Option<Vec<String>>),
    /// One row per line.
    Lines,
    /// One word per line, with blank lines between sentences.
    Blocks,
}

impl Frame {
    /// Returns the name used in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Document(_) => "a document {\"data\": […]}",
            Self::List => "a JSON list",
            Self::JsonLines => "JSON lines",
            Self::Csv(_) => "csv",
            Self::Lines => "TSV",
            Self::Blocks => "a word a line",
        }
    }
}

/// The layout of a file, as far as the reader knows it beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// JSON of any form, or csv; the first character tells which.
    Questions,
    /// A JSON list, or one object per line.
    Json,
    Csv,
    Lines,
    Blocks,
}

/// A piece that is kept whole when the file is split, except that articles and passages may lose
/// questions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// The line on which it begins, or its position in the list, from 1.
    pub place: usize,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Json(Value),
    Cells(Vec<String>),
    Text(String),
}

/// A file and its items.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ItemFile {
    /// The file's name in errors.
    pub file: String,
    pub frame: Frame,
    /// Line number of the csv header.
    pub header_line: usize,
    pub items: Vec<Item>,
}

impl ItemFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or if it is JSON that Python accepts but this cannot write.
    pub fn read(path: &Path, layout: Layout) -> Result<Self, Error> {
        let mut lines = LineReader::open(path)?;
        let file = lines.file().to_owned();
        let mut read = ItemFile {
            file,
            frame: Frame::List,
            header_line: 0,
            items: Vec::new(),
        };
        let first = lines.skip_blanks()?;
        match (first, layout) {
            (Some(b'['), Layout::Questions | Layout::Json) => {
                let text = read_text(path)?;
                read.items = numbered(read.json(&text, 0)?, Body::Json);
            }
            (Some(b'{'), Layout::Questions | Layout::Json) => {
                let before = lines.lines_before();
                let text = read_text(path)?;
                read.objects(&text, before)?;
            }
            (_, Layout::Questions | Layout::Csv) => read.csv(path)?,
            (_, Layout::Json | Layout::Lines) => {
                read.frame = Frame::Lines;
                // A row may begin with an empty cell, so the blanks must not be skipped.
                let mut lines = LineReader::open(path)?;
                while let Some((place, line)) = lines.next_line()? {
                    if !line.trim().is_empty() {
                        let body = Body::Text(line.to_owned());
                        read.items.push(Item { place, body });
                    }
                }
            }
            (_, Layout::Blocks) => read.blocks(LineReader::open(path)?)?,
        }
        Ok(read)
    }

    /// Parses JSON that is preceded by `before` lines of the file.
    fn json<T: serde::de::DeserializeOwned>(&self, text: &str, before: usize) -> Result<T, Error> {
        serde_json::from_str(text).or_else(|_| {
            // Lone surrogates, about which the reader has already warned.
            let mut mended = text.to_owned();
            let surrogates = mend(&mut mended);
            serde_json::from_str(&mended)
                .ok()
                .filter(|_| surrogates > 0)
                .ok_or_else(|| {
                    let error = serde_json::from_str::<Value>(text).err();
                    let line = before + error.as_ref().map_or(1, serde_json::Error::line);
                    let what =
                        error.map_or_else(|| "no list".to_owned(), |error| error.to_string());
                    Error::NotAsItIs {
                        file: self.file.clone(),
                        found: format!("on line {line}: {what}"),
                    }
                })
        })
    }

    /// Parses a document, a single object, or one object per line.
    fn objects(&mut self, text: &str, before: usize) -> Result<(), Error> {
        let mut values = Deserializer::from_str(text).into_iter::<Value>();
        let first = values.next().and_then(Result::ok);
        let alone = first.is_some() && text[values.byte_offset()..].trim().is_empty();
        // A lone surrogate stops this check.
        let whole: Option<Value> = match (alone, first) {
            (true, first) => first,
            (false, _) if !text.trim().contains('\n') || !lines_are_objects(text) => {
                Some(self.json(text, 0)?)
            }
            (false, _) => None,
        };
        match whole {
            Some(Value::Object(mut outer)) if outer.get("data").is_some_and(Value::is_array) => {
                if let Some(data) = outer.insert("data".to_owned(), Value::Null)
                    && let Value::Array(items) = data
                {
                    self.items = numbered(items, Body::Json);
                }
                self.frame = Frame::Document(outer);
            }
            Some(one) => {
                self.frame = Frame::JsonLines;
                let body = Body::Json(one);
                let place = before + 1;
                self.items.push(Item { place, body });
            }
            None => {
                self.frame = Frame::JsonLines;
                for (number, line) in text.split('\n').enumerate() {
                    if !line.trim().is_empty() {
                        let body = Body::Json(self.json(line, number)?);
                        let place = number + 1;
                        self.items.push(Item { place, body });
                    }
                }
            }
        }
        Ok(())
    }

    fn csv(&mut self, path: &Path) -> Result<(), Error> {
        let cells = |row: &csv::StringRecord| row.iter().map(str::to_owned).collect::<Vec<_>>();
        let mut rows = CsvFile::new(Source::open(path)?, &self.file, 0)?;
        let (line, names) = rows.first_row();
        self.frame = Frame::Csv(Some(cells(&names)));
        self.header_line = line;
        while let Some((place, row)) = rows.next_row()? {
            let body = Body::Cells(cells(row));
            self.items.push(Item { place, body });
        }
        Ok(())
    }

    fn blocks(&mut self, mut lines: LineReader) -> Result<(), Error> {
        self.frame = Frame::Blocks;
        let mut open = false;
        while let Some((place, line)) = lines.next_line()? {
            if line.chars().all(is_blank) {
                open = false;
                continue;
            }
            match self.items.last_mut() {
                Some(Item {
                    body: Body::Text(text),
                    ..
                }) if open => {
                    text.push('\n');
                    text.push_str(line);
                }
                _ => {
                    let body = Body::Text(line.to_owned());
                    self.items.push(Item { place, body });
                }
            }
            open = true;
        }
        Ok(())
    }

    /// Turns the csv header into a row: the table has no column names.
    pub fn without_names(&mut self) {
        if let Frame::Csv(names) = &mut self.frame
            && let Some(names) = names.take()
        {
            let item = Item {
                place: self.header_line,
                body: Body::Cells(names),
            };
            self.items.insert(0, item);
        }
    }
}

/// Returns whether the first non-blank line is an object by itself.
fn lines_are_objects(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let mut line = first.unwrap_or_default().to_owned();
    mend(&mut line);
    serde_json::from_str::<Map<String, Value>>(&line).is_ok()
}

fn numbered<T>(values: Vec<T>, body: impl Fn(T) -> Body) -> Vec<Item> {
    let values = values.into_iter().enumerate();
    let item = |(number, value)| Item {
        place: number + 1,
        body: body(value),
    };
    values.map(item).collect()
}

/// Writes a file of this form with these items.
pub(super) fn write<'a>(
    frame: &Frame,
    items: impl IntoIterator<Item = Cow<'a, Body>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut items = items.into_iter();
    match frame {
        Frame::Document(outer) => {
            out.write_all(b"{")?;
            for (number, (key, value)) in outer.iter().enumerate() {
                let comma = if number > 0 { ", " } else { "" };
                write!(out, "{comma}{}: ", Value::from(key.as_str()))?;
                match key.as_str() {
                    "data" => list(&mut items, out)?,
                    _ => write!(out, "{value}")?,
                }
            }
            out.write_all(b"}\n")
        }
        Frame::List => {
            list(&mut items, out)?;
            out.write_all(b"\n")
        }
        Frame::JsonLines | Frame::Lines => items.try_for_each(|item| {
            one(&item, out)?;
            out.write_all(b"\n")
        }),
        Frame::Blocks => items.try_for_each(|item| {
            one(&item, out)?;
            out.write_all(b"\n\n")
        }),
        Frame::Csv(names) => {
            let mut rows = WriterBuilder::new().flexible(true).from_writer(out);
            if let Some(names) = names {
                rows.write_record(names)?;
            }
            for item in items {
                if let Body::Cells(cells) = &*item {
                    rows.write_record(cells)?;
                }
            }
            rows.flush()
        }
    }
}

/// Writes the items in brackets, one per line.
fn list<'a>(items: &mut dyn Iterator<Item = Cow<'a, Body>>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (number, item) in items.enumerate() {
        out.write_all(if number > 0 { b",\n" } else { b"\n" })?;
        one(&item, out)?;
    }
    out.write_all(b"\n]")
}

fn one(item: &Body, out: &mut dyn Write) -> io::Result<()> {
    match item {
        Body::Json(value) => write!(out, "{value}"),
        Body::Text(text) => out.write_all(text.as_bytes()),
        // Csv rows are written elsewhere.
        Body::Cells(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, layout: Layout) -> ItemFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        ItemFile::read(&path, layout).unwrap()
    }

    fn written(file: &ItemFile) -> String {
        let mut out = Vec::new();
        let items = file.items.iter().map(|item| Cow::Borrowed(&item.body));
        write(&file.frame, items, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_form_is_written_as_it_was_read() {
        for (name, layout, text, places) in [
            (
                "a.json",
                Layout::Questions,
                "{\"version\": \"v2.0\", \"data\": [\n{\"b\":1,\"a\":[0.1]},\n{}\n], \"more\": {\"x\":null}}\n",
                vec![1, 2],
            ),
            (
                "a.json",
                Layout::Questions,
                "[\n{\"é\":1},\n2\n]\n",
                vec![1, 2],
            ),
            (
                "a.jsonl",
                Layout::Questions,
                "{\"header\":{}}\n{\"data\":[1]}\n",
                vec![1, 2],
            ),
            ("a.jsonl", Layout::Questions, "{\"qas\":[]}\n", vec![1]),
            (
                "a.csv",
                Layout::Csv,
                "a,b\n1,\"x, \"\"y\"\"\nz\"\n,3\n",
                vec![2, 4],
            ),
            (
                "a.tsv",
                Layout::Lines,
                "a\tb\n\tx \"y\"\n z\t \n",
                vec![1, 2, 3],
            ),
            ("a.conll", Layout::Blocks, "{ O\n[ O\n\n", vec![1]),
            ("a.jsonl", Layout::Json, "{\"tokens\":[]}\n{}\n", vec![1, 2]),
            (
                "a.conll",
                Layout::Blocks,
                "-DOCSTART- O\n\nAda\tB-PER\n wrote O\n\nin O\n\n",
                vec![1, 3, 6],
            ),
        ] {
            let file = read(name, text, layout);
            assert_eq!(written(&file), text);
            let found: Vec<usize> = file.items.iter().map(|item| item.place).collect();
            assert_eq!(found, places, "{text}");
        }
    }

    #[test]
    fn other_layouts_of_the_same_become_one() {
        let pretty = "\n{\n  \"data\": [\n    {\"a\": 1}\n  ]\n}";
        let file = read("a.json", pretty, Layout::Questions);
        assert_eq!(written(&file), "{\"data\": [\n{\"a\":1}\n]}\n");
        let alone = "{\n\"paragraphs\": []\n}";
        let file = read("a.json", alone, Layout::Questions);
        assert_eq!(written(&file), "{\"paragraphs\":[]}\n");
        let windows = "\u{FEFF}{\"a\": 1}\r\n\r\n{\"b\": 2}";
        let file = read("a.json", windows, Layout::Questions);
        assert_eq!(written(&file), "{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(file.items[1].place, 3);
        // A lone surrogate, in a line and in a document.
        for half in [
            "{\"a\": \"\\ud83d\"}\n{}\n",
            "{\"data\": [\n\"\\ud83d\"]}\n",
            "{\"data\": [\"\\ud83d\"]}",
        ] {
            let file = read("a.json", half, Layout::Questions);
            assert!(written(&file).contains('\u{FFFD}'), "{}", written(&file));
        }
        let mut table = read("a.csv", "1,x\n2,y\n", Layout::Csv);
        table.without_names();
        assert_eq!(table.items.len(), 2);
        assert_eq!(written(&table), "1,x\n2,y\n");
    }

    #[test]
    fn what_json_does_not_have_is_not_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "{\"a\": 1}\n{\"score\": NaN}\n").unwrap();
        let message = ItemFile::read(&path, Layout::Questions)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(
                "a.jsonl: expected JSON that can be written again as it is, found on line 2"
            ),
            "{message}"
        );
    }
}
