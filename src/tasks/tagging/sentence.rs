//! Sentences with their words and spans, and what else a file contains.

use super::{
    scheme::Marks,
    span::{Span, bioes},
    tag::Tag,
};
use crate::{counted::counted, data::json_text::halves_read, eval::taken::Taken};

/// A sentence as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// The line on which it begins, from 1.
    pub line: usize,
    pub words: Vec<String>,
    /// In order, without overlap.
    pub spans: Vec<Span>,
}

impl Sentence {
    /// Returns the tags of its words in BIOES, `[words]`, as in the labels.
    pub fn tags(&self) -> Vec<Tag> {
        bioes(&self.spans, self.words.len())
    }
}

/// A last sentence that the reference loses because no blank line follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The line on which it begins, from 1.
    pub line: usize,
    pub words: usize,
}

/// The sentences of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentences {
    /// The file's name in errors.
    pub file: String,
    /// Whether the file's tags were read; otherwise no word is in a span.
    pub labelled: bool,
    pub sentences: Vec<Sentence>,
    /// How many of the file's sentences these are, if not all.
    pub taken: Option<Taken>,
    pub lost: Option<Lost>,
    /// The marks of the tags as the file has them.
    pub marks: Marks,
    /// Number of `-DOCSTART-` lines, and of comments if there are any.
    pub dropped_lines: usize,
    /// JSON rows without a word.
    pub empty_rows: usize,
    /// Lone surrogates in JSON, which are read as U+FFFD.
    pub replaced_surrogates: usize,
}

impl Sentences {
    /// Returns the number of words over all sentences.
    pub fn words(&self) -> usize {
        self.sentences.iter().map(|s| s.words.len()).sum()
    }

    /// Describes everything that was skipped or replaced, each with what to do.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(Lost { line, words }) = self.lost {
            warnings.push(format!(
                "line {line}: the last sentence ({}) is left out, as the reference does where no blank \
                 line follows; add one to use it",
                counted(words, "word")
            ));
        }
        if self.empty_rows > 0 {
            let rows = self.empty_rows;
            let rows = counted(rows, "row");
            warnings.push(format!("left out: {rows} without a word"));
        }
        if self.replaced_surrogates > 0 {
            warnings.push(halves_read(self.replaced_surrogates, ""));
        }
        warnings
    }

    /// Describes what was skipped, as the continuation of a line; empty if nothing was.
    pub fn passed_over(&self) -> String {
        let lost = self.lost.map(|lost| {
            let Lost { line, words } = lost;
            format!(
                ", the last sentence (line {line}, {}) left out: no blank line after it",
                counted(words, "word")
            )
        });
        let empty = match self.empty_rows {
            0 => None,
            rows => Some(format!(
                ", {} without a word left out",
                counted(rows, "row")
            )),
        };
        [lost, empty].into_iter().flatten().collect()
    }
}
