//! Problems of a file of labelled texts or tagged words: errors, on which training or scoring would
//! fail, and warnings.

use std::{
    fmt::{self, Display},
    path::{Path, PathBuf},
};

use serde::Serialize;

/// Whether a file can be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

impl Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The kinds of problem of a row, a sentence or a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    NoRow,
    NoText,
    NoLabel,
    NoId,
    UnknownLabel,
    OneLabel,
    NoWordKept,
    WordDoesNotFit,
    LeftOut,
    EmptyText,
    Contradiction,
    Repeated,
    RepeatedId,
    AlsoInTrain,
    NotInTrain,
    IllFormed,
    WordCut,
    WordWithoutToken,
    NoSpan,
    NoDev,
    ForeignVocabulary,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Kind {
    pub fn severity(self) -> Severity {
        match self {
            Kind::NoRow
            | Kind::NoText
            | Kind::NoLabel
            | Kind::NoId
            | Kind::UnknownLabel
            | Kind::OneLabel
            | Kind::NoWordKept
            | Kind::WordDoesNotFit => Severity::Error,
            Kind::LeftOut
            | Kind::EmptyText
            | Kind::Contradiction
            | Kind::Repeated
            | Kind::RepeatedId
            | Kind::AlsoInTrain
            | Kind::NotInTrain
            | Kind::IllFormed
            | Kind::WordCut
            | Kind::WordWithoutToken
            | Kind::NoSpan
            | Kind::NoDev
            | Kind::ForeignVocabulary => Severity::Warning,
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Kind::NoRow => "there is nothing to train on or to score",
            Kind::NoText => "a row needs a text",
            Kind::NoLabel => "training and scoring need every label",
            Kind::NoId => "an id is a text or a whole number",
            Kind::UnknownLabel => "the task has no such label: a run ends here",
            Kind::OneLabel => "there is nothing to tell apart",
            Kind::NoWordKept => "the reference keeps none of its words: raise max_seq_length",
            Kind::WordDoesNotFit => "the reference cuts no word: raise max_seq_length",
            Kind::LeftOut => "a run skips it",
            Kind::EmptyText => "an empty text cannot be classified",
            Kind::Contradiction => "the same text has a different label earlier",
            Kind::Repeated => "the same text with the same label occurs earlier",
            Kind::RepeatedId => "another row has this id",
            Kind::AlsoInTrain => "the text is trained on: its score is too good",
            Kind::NotInTrain => "the train file has no such label: it cannot be learnt",
            Kind::IllFormed => "the tag continues no span, or leaves one open",
            Kind::WordCut => "the word has more tokens than fit: its end is not seen",
            Kind::WordWithoutToken => {
                "the tokenizer drops every character of the word: take it out"
            }
            Kind::NoSpan => "every tag is O: there is nothing to find",
            Kind::NoDev => "a run cannot evaluate without a dev file (do_eval=false trains alone)",
            Kind::ForeignVocabulary => {
                "the vocabulary knows too little of the text: give the model's own (--vocab)"
            }
        }
    }
}

/// A problem of a row, a sentence or a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    pub severity: Severity,
    pub kind: Kind,
    pub file: PathBuf,
    /// Its position in the file.
    pub place: String,
    /// What was found, if the kind does not say everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub found: String,
}

impl Problem {
    pub fn new(kind: Kind, file: &Path, place: impl Display, found: impl Into<String>) -> Self {
        Self {
            severity: kind.severity(),
            kind,
            file: file.to_owned(),
            place: place.to_string(),
            found: found.into(),
        }
    }

    /// Creates a problem of a file as a whole.
    pub fn of_file(kind: Kind, file: &Path, found: impl Into<String>) -> Self {
        Self::new(kind, file, "the whole file", found)
    }
}
