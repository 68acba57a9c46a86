//! Reads a data file's paragraphs one at a time, whatever the file's form.
//!
//! Accepts SQuAD's document, lists and lines of articles, passages or rows, csv rows, and MRQA's
//! lines, each plain or packed. A file's beginning reveals what it is. Lines and rows are read in
//! blocks of limited size; a document is held as text while it is read.

use std::io::{self, Read};
use std::path::Path;

use super::{
    csv_rows,
    facts::Facts,
    first_line::FirstLine,
    json_error::{advice, json_error},
    json_form::Walk,
    json_lines::parse_lines,
    paragraph::{Family, Paragraph},
    summary::{Form, Summary},
};
use crate::{
    data::{
        self,
        csv_file::CsvFile,
        json_text::{halves_read, mend},
        source::{LONGEST_LINE, Source, text_of},
    },
    tasks::qa::error::Error,
};

/// Lines read together, in bytes.
const BLOCK: usize = 4 << 20;

/// Lines parsed together.
const LINES: usize = 1024;

/// Characters of an unknown file shown in the message about it.
const SHOWN: usize = 40;

/// What the beginning of a file reveals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One JSON value.
    Document,
    /// One JSON value per line.
    Lines,
    /// Csv rows.
    Csv,
    /// NewsQA's csv, which has a converter.
    NewsQa,
    Empty,
}

/// A file whose beginning has been examined.
pub struct QuestionReader {
    source: Source,
    /// The part of it read so far, from the first non-blank line.
    head: Vec<u8>,
    lines_before: usize,
    layout: Layout,
}

impl QuestionReader {
    /// Opens a file, or its archive if only that exists.
    ///
    /// # Errors
    /// If it cannot be read, or contains no questions in any known form.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::new(Source::open(path)?)
    }

    /// Same as [`QuestionReader::open`], for a file's bytes.
    ///
    /// # Errors
    /// As for [`QuestionReader::open`].
    pub fn of_bytes(bytes: Vec<u8>, file: &str) -> Result<Self, Error> {
        Self::new(Source::of_bytes(bytes, file)?)
    }

    fn new(mut source: Source) -> Result<Self, Error> {
        let mut head = Vec::new();
        let mut lines_before = 0;
        // Blank lines are not kept, however many there are.
        let blank = loop {
            let more = source.read_piece(&mut head)?;
            let blank = head.iter().take_while(|c| c.is_ascii_whitespace()).count();
            if blank < head.len() || !more {
                break blank;
            }
            lines_before += breaks(&head);
            head.clear();
        };
        let line = head[..blank].iter().rposition(|&byte| byte == b'\n');
        let rest = head.split_off(line.map_or(0, |line| line + 1));
        lines_before += breaks(&head);
        let mut reader = Self {
            source,
            head: rest,
            lines_before,
            layout: Layout::Empty,
        };
        reader.layout = reader.recognise()?;
        Ok(reader)
    }

    fn recognise(&mut self) -> Result<Layout, Error> {
        match self.head.trim_ascii_start().first() {
            None => return Ok(Layout::Empty),
            Some(b'[') => return Ok(Layout::Document),
            Some(_) => {}
        }
        let object = self.head.trim_ascii_start().starts_with(b"{");
        if object && FirstLine::of(&String::from_utf8_lossy(&self.head)).document {
            return Ok(Layout::Document);
        }
        let mut searched = 0;
        let line = loop {
            let unseen = &self.head[searched..];
            if let Some(end) = unseen.iter().position(|&byte| byte == b'\n') {
                break &self.head[..searched + end];
            }
            searched = self.head.len();
            if searched > LONGEST_LINE {
                if object {
                    return Ok(Layout::Document);
                }
                return Err(self.long_line());
            }
            if !self.source.read_piece(&mut self.head)? {
                break &self.head;
            }
        };
        let line = String::from_utf8_lossy(line).into_owned();
        if object {
            let line = FirstLine::of(&line);
            return Ok(match line.item && line.whole {
                true => Layout::Lines,
                false => Layout::Document,
            });
        }
        let columns: Vec<&str> = line
            .split(',')
            .map(|name| name.trim().trim_matches('"'))
            .collect();
        if columns.contains(&"story_id") {
            return Ok(Layout::NewsQa);
        }
        if columns.contains(&"question") && columns.contains(&"context") {
            return Ok(Layout::Csv);
        }
        let begin: String = line.trim().chars().take(SHOWN).collect();
        Err(self.unrecognised(format!("a first line that begins with {begin:?}")))
    }

    fn long_line(&self) -> Error {
        Error::from(data::Error::LongLine {
            file: self.source.file().to_owned(),
            line: self.lines_before + 1,
            limit: LONGEST_LINE,
        })
    }

    fn unrecognised(&self, found: String) -> Error {
        Error::Unrecognised {
            file: self.source.file().to_owned(),
            found,
        }
    }

    /// Returns whether it is NewsQA's csv, which its converter reads.
    pub fn is_newsqa(&self) -> bool {
        self.layout == Layout::NewsQa
    }

    /// Returns the file's name in errors.
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// Returns the rows of a csv file.
    ///
    /// # Errors
    /// If its first line cannot be read.
    pub fn csv(self) -> Result<CsvFile<impl Read>, data::Error> {
        let file = self.source.file().to_owned();
        let bytes = io::Cursor::new(self.head).chain(self.source);
        CsvFile::new(bytes, &file, self.lines_before)
    }

    /// Passes on the paragraphs, in order, and returns what the file is; warns about anything
    /// replaced in it.
    ///
    /// # Errors
    /// If the file cannot be read, is malformed or of another family, and those of `emit`.
    pub fn paragraphs<E: From<Error> + From<data::Error>>(
        self,
        family: Option<Family>,
        emit: &mut dyn FnMut(Paragraph) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let file = self.source.file().to_owned();
        let (mut questions, mut nameless) = (0, 0);
        let mut quac_mark = None;
        let mut numbered = |mut paragraph: Paragraph, lacks_id: bool| {
            if let [question] = paragraph.questions.as_mut_slice()
                && lacks_id
            {
                question.id = questions.to_string();
                nameless += 1;
            }
            questions += paragraph.questions.len();
            if paragraph.family == Family::Squad && quac_mark.is_none() {
                let mut marked = paragraph.questions.iter();
                let marked = marked.find(|question| question.has_quac_mark(&paragraph.context));
                quac_mark = marked.map(|question| question.id.clone());
            }
            emit(paragraph)
        };
        let (facts, surrogates) = match self.layout {
            Layout::Document => self.document(family, &mut numbered)?,
            Layout::Empty if family.is_some() => self.document(family, &mut numbered)?,
            Layout::Lines => self.lines(family, &mut numbered)?,
            Layout::Csv if family != Some(Family::Mrqa) => {
                let flagged = csv_rows::read(self.csv()?, &file, &mut numbered)?;
                let facts = Facts {
                    form: Some(Form::Rows),
                    flagged,
                    ..Facts::default()
                };
                (facts, 0)
            }
            Layout::Csv => {
                return Err(E::from(self.unrecognised("rows of csv".to_owned())));
            }
            Layout::NewsQa => {
                return Err(E::from(Error::OtherDataSet {
                    file,
                    found: "NewsQA's csv".to_owned(),
                    command: "newsqa",
                }));
            }
            Layout::Empty => {
                return Err(E::from(self.unrecognised("an empty file".to_owned())));
            }
        };
        if surrogates > 0 {
            log::warn!(
                "{file}: {}; answers keep their places",
                halves_read(surrogates, " (such as \\ud83d without its second half)")
            );
        }
        if nameless > 0 {
            let (rows, have) = match nameless {
                1 => ("row", "has"),
                _ => ("rows", "have"),
            };
            log::warn!(
                "{file}: {nameless} {rows} {have} no id; their numbers, from 0, are used instead"
            );
        }
        Ok(Summary {
            family: facts.family.or(family).unwrap_or(Family::Squad),
            form: facts.form.unwrap_or(Form::Document),
            version: facts.version,
            articles: facts.articles,
            flagged: facts.flagged,
            quac: facts.quac,
            quac_mark,
            nameless,
            surrogates,
        })
    }

    fn document<E: From<Error> + From<data::Error>>(
        mut self,
        family: Option<Family>,
        emit: &mut dyn FnMut(Paragraph, bool) -> Result<(), E>,
    ) -> Result<(Facts, usize), E> {
        self.source.read_rest(&mut self.head)?;
        let file = self.source.file();
        let mut text = text_of(self.head, &self.source, self.lines_before)?;
        let surrogates = mend(&mut text);
        let mut failed = None;
        let mut take = |paragraph, nameless| match emit(paragraph, nameless) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        };
        let mut walk = Walk::new(family, None, &mut take);
        let read = walk.read(&text);
        let facts = walk.facts;
        if let Some(error) = failed {
            return Err(error);
        }
        match read {
            Ok(()) => Ok((facts, surrogates)),
            Err(error) => Err(E::from(json_error(
                file,
                &text,
                self.lines_before,
                &error,
                advice(family, &facts),
            ))),
        }
    }

    fn lines<E: From<Error> + From<data::Error>>(
        mut self,
        mut family: Option<Family>,
        emit: &mut dyn FnMut(Paragraph, bool) -> Result<(), E>,
    ) -> Result<(Facts, usize), E> {
        let mut all = Facts::default();
        let mut surrogates = 0;
        let mut more = true;
        while more || !self.head.is_empty() {
            more = self.fill_block()?;
            let end = match more {
                true => self.head.iter().rposition(|&byte| byte == b'\n'),
                false => self.head.len().checked_sub(1),
            };
            let rest = self.head.split_off(end.map_or(0, |end| end + 1));
            let block = std::mem::replace(&mut self.head, rest);
            let block_lines = breaks(&block);
            let mut text = text_of(block, &self.source, self.lines_before)?;
            surrogates += mend(&mut text);
            let lines = text.split('\n').enumerate();
            let lines: Vec<(usize, &str)> =
                lines.filter(|(_, line)| !line.trim().is_empty()).collect();
            for lines in lines.chunks(LINES) {
                let file = self.source.file();
                for part in parse_lines(lines, self.lines_before, file, &mut family) {
                    let (facts, paragraphs) = part?;
                    all.merge(facts);
                    for (paragraph, nameless) in paragraphs {
                        emit(paragraph, nameless)?;
                    }
                }
            }
            self.lines_before += block_lines;
        }
        all.family = family;
        Ok((all, surrogates))
    }

    /// Reads on until there is a block of whole lines; returns `false` at the end of the file.
    fn fill_block(&mut self) -> Result<bool, Error> {
        loop {
            let lines = self.head.contains(&b'\n');
            if lines && self.head.len() >= BLOCK {
                return Ok(true);
            }
            if self.head.len() > LONGEST_LINE && !lines {
                return Err(self.long_line());
            }
            if !self.source.read_piece(&mut self.head)? {
                return Ok(false);
            }
        }
    }
}

fn breaks(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte == b'\n').count()
}
