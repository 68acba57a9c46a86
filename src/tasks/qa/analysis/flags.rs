//! QuAC's question flags: whether the dialogue continues, and whether the answer is yes or no.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    distinct_questions::DistinctQuestions,
    error_class::ErrorClass,
    judgement::Judgement,
    part::Part,
    question_type::QuestionType,
    tally::{self, Tally},
};
use crate::tasks::qa::raw::paragraph::Question;

/// Value of a flag that is absent or has an unknown value.
const NO_VALUE: &str = "none";

/// A flag of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    Followup,
    Yesno,
}

impl Flag {
    pub fn name(self) -> &'static str {
        match self {
            Flag::Followup => "follow-up",
            Flag::Yesno => "yes/no",
        }
    }

    /// Returns QuAC's values and their meanings.
    pub fn values(self) -> [(&'static str, &'static str); 3] {
        match self {
            Flag::Followup => [
                ("y", "should follow"),
                ("m", "may follow"),
                ("n", "should not"),
            ],
            Flag::Yesno => [("y", "yes"), ("x", "neither"), ("n", "no")],
        }
    }

    fn of(self, question: &Question) -> &'static str {
        let found = match self {
            Flag::Followup => &question.followup,
            Flag::Yesno => &question.yesno,
        };
        let known = self.values().into_iter().map(|(value, _)| value);
        found
            .as_deref()
            .and_then(|found| known.into_iter().find(|value| *value == found))
            .unwrap_or(NO_VALUE)
    }
}

/// Number of occurrences of each value of a flag.
pub type ValueCounts = BTreeMap<&'static str, usize>;

/// A part of the questions, in total or only those answered correctly or wrongly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartFlags {
    pub part: Part,
    pub all: ValueCounts,
    pub right: ValueCounts,
    pub wrong: ValueCounts,
}

/// The values of a flag in each part of the questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FlagCounts {
    pub flag: Flag,
    pub parts: Vec<PartFlags>,
    pub classes: BTreeMap<ErrorClass, ValueCounts>,
    /// Correct and wrong by question type, separately for each value.
    pub types: BTreeMap<&'static str, BTreeMap<QuestionType, Tally>>,
}

/// Counts the flags that occur in the questions.
pub fn count(questions: &DistinctQuestions, judgements: &[Judgement]) -> Vec<FlagCounts> {
    [Flag::Followup, Flag::Yesno]
        .into_iter()
        .filter(|flag| questions.iter().any(|q| flag.of(q) != NO_VALUE))
        .map(|flag| FlagCounts::new(flag, questions, judgements))
        .collect()
}

impl FlagCounts {
    fn new(flag: Flag, questions: &DistinctQuestions, judgements: &[Judgement]) -> Self {
        let count = |counted: &dyn Fn(&Judgement) -> bool| {
            let mut counts = ValueCounts::new();
            for judgement in judgements.iter().filter(|judgement| counted(judgement)) {
                *counts.entry(flag.of(judgement.of(questions))).or_default() += 1;
            }
            counts
        };
        let parts = Part::ALL.into_iter().map(|part| PartFlags {
            part,
            all: count(&|j| part.holds(j)),
            right: count(&|j| part.holds(j) && j.right),
            wrong: count(&|j| part.holds(j) && !j.right),
        });
        let classes = ErrorClass::ALL
            .into_iter()
            .map(|class| (class, count(&|j| j.class == Some(class))));
        let values = flag.values().into_iter().map(|(value, _)| {
            let held = judgements
                .iter()
                .filter(|j| flag.of(j.of(questions)) == value);
            (value, tally::by_key(held.map(|j| (j.question_type, j))))
        });
        Self {
            flag,
            parts: parts.collect(),
            classes: classes.collect(),
            types: values.collect(),
        }
    }
}
