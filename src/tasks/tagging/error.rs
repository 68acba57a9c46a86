//! What can be wrong with a tagging file, its features, or a model's predictions for it.
//!
//! Every message names the file and the line or sentence, what was expected, what was found and
//! what to do.

use crate::{counted::counted, data, eval, tasks::description};

/// Most characters of a file's text shown in a message.
const SHOWN: usize = 40;

/// Why sentences could not be read or tokenised, or predictions not scored or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or is damaged; the message comes from its reader.
    #[error(transparent)]
    Data(data::Error),

    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] eval::Error),

    #[error(transparent)]
    Description(#[from] description::Error),

    #[error("{file}: line {line}: expected {expected}, found {found}; {advice}")]
    Line {
        file: String,
        line: usize,
        expected: String,
        found: String,
        advice: &'static str,
    },

    #[error(
        "{file}: expected words with or without tags (CoNLL's form, JSON lines) or one text per line (.txt), \
         found {found}; write the texts into a .txt file, one per line, or as JSON lines with \"tokens\""
    )]
    NotWords { file: String, found: &'static str },

    #[error("{file}: expected sentences with tags, found none{passed_over}; {advice}")]
    NoSentence {
        file: String,
        passed_over: String,
        advice: &'static str,
    },

    #[error("{name}: expected {expected}, found {found}")]
    Option {
        name: &'static str,
        expected: &'static str,
        found: String,
    },

    #[error(
        "{file}: line {line}: the sentence has {}, of which the reference keeps none at max_seq_length \
         {max_seq_length}: it keeps a word only while the sentence's words, the tokens so far and 3 are no \
         more; set max_seq_length to {needed} or more, or split the sentence",
        counted(*words, "word")
    )]
    NoWordKept {
        file: String,
        line: usize,
        words: usize,
        max_seq_length: usize,
        needed: usize,
    },

    #[error(
        "{file}: line {line}: the sentence's word {word} becomes {pieces} tokens, with which the sentence \
         has {tokens} where max_seq_length is {max_seq_length}; the reference cuts no word: raise \
         max_seq_length, or shorten the word"
    )]
    LongWord {
        file: String,
        line: usize,
        word: String,
        pieces: usize,
        tokens: usize,
        max_seq_length: usize,
    },

    #[error(
        "{file}: line {line}: the sentence has the tag {tag} (word {word}), which the model does not know; \
         it knows {known}: evaluate it on data of its own types, or train it with this file"
    )]
    UnknownTag {
        file: String,
        line: usize,
        word: String,
        tag: String,
        known: String,
    },

    #[error("{0}; the labels are as config.json beside the model lists them")]
    Labels(String),

    #[error("{file} has no tags to score predictions against; give a file with tags")]
    NotLabelled { file: String },

    #[error(
        "sentence {eid}: expected {expected} {array}, found {found}; predict with the features that are \
         scored"
    )]
    Shape {
        eid: usize,
        array: &'static str,
        expected: usize,
        found: usize,
    },

    #[error(
        "sentence {eid}: expected label ids below {count}, found {id}; they belong to another model"
    )]
    UnknownId { eid: usize, id: u32, count: usize },

    #[error(
        "sentence {eid}: expected finite scores, found {array} of {value}; the model's weights or its \
         arithmetic have overflowed: use an earlier checkpoint, a lower learning rate or precision f32"
    )]
    NotFinite {
        eid: usize,
        array: &'static str,
        value: f32,
    },
}

impl From<data::Error> for Error {
    fn from(error: data::Error) -> Self {
        match error {
            // For words and tags, the message about a long line differs from that for passages.
            data::Error::LongLine { file, line, limit } => Self::Line {
                file,
                line,
                expected: format!("a line of at most {limit} bytes"),
                found: "a longer one".to_owned(),
                advice: "check that this is the file, and that its lines end",
            },
            other => Self::Data(other),
        }
    }
}

/// Quotes a piece of a file's text, truncated if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
