//! Problems of a data file: errors, on which training or scoring would fail, and warnings.

use std::fmt::{self, Display};

use serde::Serialize;

use super::dropped::Reason;
use crate::tasks::problem::Severity;

/// What can be wrong with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    RepeatedId,
    EmptyPassage,
    EmptyAnswer,
    NotAtPlace,
    OutsidePassage,
    BadRange,
    ImpossibleWithAnswers,
    AnswerableWithoutAnswers,
    CannotAnswer,
    NoRoom,
    TooManyWindows,
    EmptyQuestion,
    NoPlace,
    OtherSpelling,
    LeftOut,
    InNoWindow,
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
            Kind::RepeatedId
            | Kind::EmptyPassage
            | Kind::EmptyAnswer
            | Kind::NotAtPlace
            | Kind::OutsidePassage
            | Kind::BadRange
            | Kind::ImpossibleWithAnswers
            | Kind::AnswerableWithoutAnswers
            | Kind::CannotAnswer
            | Kind::NoRoom
            | Kind::TooManyWindows => Severity::Error,
            Kind::EmptyQuestion
            | Kind::NoPlace
            | Kind::OtherSpelling
            | Kind::LeftOut
            | Kind::InNoWindow
            | Kind::ForeignVocabulary => Severity::Warning,
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Kind::RepeatedId => "predictions are kept by id: one replaces the other",
            Kind::EmptyPassage => "there is nothing to answer from",
            Kind::EmptyAnswer => "the answer's text is blank",
            Kind::NotAtPlace => "the passage has another text at the answer's place",
            Kind::OutsidePassage => "the answer's place ends beyond the passage",
            Kind::BadRange => "the answer's place ends where it begins or before, or is no range",
            Kind::ImpossibleWithAnswers => "marked is_impossible, but has answers",
            Kind::AnswerableWithoutAnswers => "not marked is_impossible, but has no answer",
            Kind::CannotAnswer => {
                "QuAC's word for no answer is the only answer: convert the file with electra data quac"
            }
            Kind::NoRoom => "the question leaves its passage no room in max_seq_length",
            Kind::TooManyWindows => "the passage is cut into more windows than features can number",
            Kind::EmptyQuestion => "nothing is asked",
            Kind::NoPlace => "an answer without a place cannot be trained on",
            Kind::OtherSpelling => "the passage has the answer in other case or white space",
            Kind::LeftOut => "training leaves the question out",
            Kind::InNoWindow => "no window holds the whole answer: it cannot be learnt or found",
            Kind::ForeignVocabulary => {
                "the vocabulary knows too little of the text: give the model's own (--vocab)"
            }
        }
    }

    /// Returns the problem behind something that a converter left out, if it is the file's fault.
    pub fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::EmptyPassage => Some(Kind::EmptyPassage),
            Reason::EmptyQuestion => Some(Kind::EmptyQuestion),
            Reason::RepeatedId => Some(Kind::RepeatedId),
            Reason::NoPlace => Some(Kind::NoPlace),
            Reason::BadRange => Some(Kind::BadRange),
            Reason::OutsidePassage => Some(Kind::OutsidePassage),
            Reason::NotAtPlace => Some(Kind::NotAtPlace),
            Reason::FurtherPlace | Reason::OtherAnnotators | Reason::Impossible => None,
        }
    }
}

/// A problem of a question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    pub severity: Severity,
    pub kind: Kind,
    /// The question's id.
    pub id: String,
    /// Its position in the file.
    pub place: String,
    /// What was found, if the kind does not say everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub found: String,
}

impl Problem {
    pub fn new(kind: Kind, id: &str, place: &str) -> Self {
        Self {
            severity: kind.severity(),
            kind,
            id: id.to_owned(),
            place: place.to_owned(),
            found: String::new(),
        }
    }

    pub fn with_found(mut self, found: String) -> Self {
        self.found = found;
        self
    }
}
