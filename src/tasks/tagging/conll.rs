//! CoNLL format: one word per line, its tag in another column, and a blank line after each
//! sentence.
//!
//! Follows the reference (`_get_labeled_sentences` in `finetune/tagging/tagging_tasks.py`): any
//! Unicode whitespace separates columns, and lines whose first column is `-DOCSTART-` are dropped.
//! Under the usual rules, a tab is the separator if there is one, since words may then contain
//! spaces, and every line has as many columns as the first.

use super::{
    error::{Error, quoted},
    options::ReadOptions,
    rules::Rules,
    scheme::Marks,
    sentence::{Lost, Sentence, Sentences},
    span::spans,
    tag::Tag,
    tag_reader::TagReader,
};
use crate::{counted::counted, data::line_reader::LineReader, text::normalizer::is_blank};

/// A longer sentence means that the file lacks blank lines.
const LONGEST_SENTENCE: usize = 10_000;

const DOCUMENT: &str = "-DOCSTART-";

/// Reads the sentences of a file into `into`.
///
/// # Errors
/// If it cannot be read, or a line does not have the form.
pub(super) fn read(
    mut lines: LineReader,
    options: &ReadOptions,
    into: &mut Sentences,
) -> Result<(), Error> {
    let mut rows = Rows {
        options,
        file: lines.file().to_owned(),
        tags: TagReader::new(lines.file(), options.rules),
        columns: None,
    };
    let mut open = Open::default();
    while let Some((number, line)) = lines.next_line()? {
        if line.chars().all(is_blank) {
            into.sentences
                .extend(open.close(options.rules, &mut into.marks));
            if options
                .limit
                .is_some_and(|limit| into.sentences.len() >= limit)
            {
                return Ok(());
            }
            continue;
        }
        match rows.read(line, number)? {
            Some((word, tag)) => open.push(word, tag, number),
            None => into.dropped_lines += 1,
        }
        if open.words.len() > LONGEST_SENTENCE {
            return Err(Error::Line {
                file: rows.file,
                line: open.line,
                expected: format!("a sentence of at most {LONGEST_SENTENCE} words"),
                found: "a longer one".to_owned(),
                advice: "put a blank line after each sentence",
            });
        }
    }
    let Some(last) = open.close(options.rules, &mut into.marks) else {
        return Ok(());
    };
    if options.rules == Rules::Usual {
        into.sentences.push(last);
        return Ok(());
    }
    let (line, words) = (last.line, last.words.len());
    into.lost = Some(Lost { line, words });
    Ok(())
}

/// Returns whether a line has a tag beside its word; `None` for a line without a word.
pub(super) fn has_tag(line: &str) -> Option<bool> {
    let mut cells = line.split(is_blank).filter(|cell| !cell.is_empty());
    let word = cells.next().filter(|word| *word != DOCUMENT)?;
    Some(!word.is_empty() && cells.next().is_some())
}

/// A sentence that is being read.
#[derive(Default)]
struct Open {
    line: usize,
    words: Vec<String>,
    tags: Vec<Tag>,
    /// Line numbers of the words.
    lines: Vec<usize>,
}

impl Open {
    fn push(&mut self, word: String, tag: Tag, line: usize) {
        if self.words.is_empty() {
            self.line = line;
        }
        self.words.push(word);
        self.tags.push(tag);
        self.lines.push(line);
    }

    /// Returns the sentence, if there is one, and starts the next.
    fn close(&mut self, rules: Rules, marks: &mut Marks) -> Option<Sentence> {
        let Self {
            line,
            words,
            tags,
            lines,
        } = std::mem::take(self);
        marks.add(tags.iter().zip(lines));
        (!words.is_empty()).then(|| Sentence {
            line,
            words,
            spans: spans(&tags, rules),
        })
    }
}

/// Reads non-blank lines.
struct Rows<'a> {
    options: &'a ReadOptions,
    file: String,
    tags: TagReader,
    /// The number of columns in the first line, and its line number.
    columns: Option<(usize, usize)>,
}

impl Rows<'_> {
    /// Returns the word and the tag of a line; `None` if the line is dropped.
    fn read(&mut self, line: &str, number: usize) -> Result<Option<(String, Tag)>, Error> {
        let usual = self.options.rules == Rules::Usual;
        if usual && line.contains('\r') {
            return Err(self.wrong(
                number,
                "columns",
                "a carriage return within the line".to_owned(),
                "save the file with line feeds at the ends of its lines",
            ));
        }
        let cells: Vec<&str> = match usual && line.contains('\t') {
            true => line
                .split('\t')
                .map(|cell| cell.trim_matches(is_blank))
                .collect(),
            false => line
                .split(is_blank)
                .filter(|cell| !cell.is_empty())
                .collect(),
        };
        let comment = self.options.comments && line.starts_with('#');
        if comment || cells.first() == Some(&DOCUMENT) {
            return Ok(None);
        }
        if usual {
            self.check_columns(cells.len(), number)?;
        }
        let word = self.options.word_column.place(cells.len());
        let tag = self.options.tag_column.place(cells.len());
        let mut needed = [word, tag]
            .into_iter()
            .take(1 + usize::from(self.options.labelled));
        if let Some(missing) = needed.position(|place| place.is_none()) {
            let expected = ["a column with the word", "a column with the tag"][missing];
            return Err(self.missing_column(expected, &cells, line, number));
        }
        if self.options.labelled && word == tag {
            let expected = "a word and a tag in two columns";
            return Err(self.missing_column(expected, &cells, line, number));
        }
        let cell = |place: Option<usize>| place.map_or("", |place| cells[place]);
        if cell(word).is_empty() {
            let found = "an empty cell".to_owned();
            return Err(self.wrong(number, "a word", found, "fill it, or take the line out"));
        }
        let tag = match self.options.labelled {
            true => self.tags.read(cell(tag), number)?,
            false => Tag::Outside,
        };
        Ok(Some((cell(word).to_owned(), tag)))
    }

    fn check_columns(&mut self, columns: usize, number: usize) -> Result<(), Error> {
        let (expected, line) = *self.columns.get_or_insert((columns, number));
        if columns == expected {
            return Ok(());
        }
        Err(self.wrong(
            number,
            &format!("{}, as on line {line}", counted(expected, "column")),
            columns.to_string(),
            "give every line the same columns; comments and document lines are dropped if they begin \
             with # (comments: true) or -DOCSTART-",
        ))
    }

    fn missing_column(&self, expected: &str, cells: &[&str], line: &str, number: usize) -> Error {
        let found = match cells.len() {
            1 => format!("one column, {}", quoted(line)),
            count => format!("{count} columns, {}", quoted(line)),
        };
        let advice = match line.starts_with('{') {
            true => "name a file of JSON lines .jsonl",
            false => {
                "separate the columns by blanks or tabs, and number them from 0, or from -1 back"
            }
        };
        self.wrong(number, expected, found, advice)
    }

    fn wrong(&self, line: usize, expected: &str, found: String, advice: &'static str) -> Error {
        Error::Line {
            file: self.file.clone(),
            line,
            expected: expected.to_owned(),
            found,
            advice,
        }
    }
}
