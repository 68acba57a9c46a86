//! The parts of the questions that are counted separately.

use serde::Serialize;

use super::judgement::Judgement;

/// The questions that a metric covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Whole,
    Answerable,
    Unanswerable,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Whole, Part::Answerable, Part::Unanswerable];

    pub fn holds(self, judgement: &Judgement) -> bool {
        match self {
            Part::Whole => true,
            Part::Answerable => judgement.answerable,
            Part::Unanswerable => !judgement.answerable,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Part::Whole => "all questions",
            Part::Answerable => "answerable",
            Part::Unanswerable => "unanswerable",
        }
    }
}
