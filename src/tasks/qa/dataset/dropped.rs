//! What a source contains but SQuAD 2.0 does not allow: counted by reason, with examples.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use serde::Serialize;

/// Why a question or an answer was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    EmptyPassage,
    EmptyQuestion,
    RepeatedId,
    NoPlace,
    BadRange,
    OutsidePassage,
    NotAtPlace,
    FurtherPlace,
    OtherAnnotators,
    Impossible,
}

impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Reason {
    pub fn meaning(self) -> &'static str {
        match self {
            Reason::EmptyPassage => "the passage is blank",
            Reason::EmptyQuestion => "the question is blank",
            Reason::RepeatedId => "an earlier question has the id",
            Reason::NoPlace => "the source gives no place of the answer",
            Reason::BadRange => "the place is not START:END, or ends where it begins or before",
            Reason::OutsidePassage => "the place ends beyond the passage",
            Reason::NotAtPlace => "the passage has another text at the place",
            Reason::FurtherPlace => "a further place of the answer; the first one is taken",
            Reason::OtherAnnotators => "others answered what counts as unanswerable",
            Reason::Impossible => "the question is marked is_impossible",
        }
    }
}

/// How many were left out, and some examples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub count: usize,
    /// The first ones.
    pub examples: Vec<Example>,
}

/// A question that was left out, or whose answer was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    pub id: String,
    /// Its position in the file, for example `line 3`.
    pub place: String,
}

impl Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.place)
    }
}

/// Everything that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Whole questions.
    pub questions: BTreeMap<Reason, Tally>,
    /// Answers of questions, whether or not those were kept.
    pub answers: BTreeMap<Reason, Tally>,
    #[serde(skip)]
    examples_kept: usize,
}

impl Dropped {
    /// Creates an empty record that keeps at most `examples_kept` examples of each reason.
    pub fn new(examples_kept: usize) -> Self {
        Self {
            questions: BTreeMap::new(),
            answers: BTreeMap::new(),
            examples_kept,
        }
    }

    /// Counts a question; `place` is its position, for example `line 3`.
    pub fn question(&mut self, reason: Reason, id: &str, place: &str) {
        let kept = self.examples_kept;
        add(self.questions.entry(reason).or_default(), kept, id, place);
    }

    /// Counts an answer of a question.
    pub fn answer(&mut self, reason: Reason, id: &str, place: &str) {
        let kept = self.examples_kept;
        add(self.answers.entry(reason).or_default(), kept, id, place);
    }

    /// Returns the number of questions left out for any reason.
    pub fn question_count(&self) -> usize {
        self.questions.values().map(|tally| tally.count).sum()
    }

    /// Lists the reasons for leaving out questions, with counts: `2 no_place, 1 bad_range`.
    pub fn question_reasons(&self) -> String {
        let reasons = self.questions.iter();
        reasons
            .map(|(reason, tally)| format!("{} {reason}", tally.count))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn add(tally: &mut Tally, examples_kept: usize, id: &str, place: &str) {
    tally.count += 1;
    // Several answers of a question are one example.
    let last = tally.examples.last();
    let told = last.is_some_and(|last| last.id == id && last.place == place);
    if !told && tally.examples.len() < examples_kept {
        tally.examples.push(Example {
            id: id.to_owned(),
            place: place.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut dropped = Dropped::new(2);
        for line in 1..=3 {
            dropped.question(Reason::BadRange, "q", &format!("line {line}"));
        }
        dropped.question(Reason::NoPlace, "r", "line 9");
        for _ in 0..2 {
            dropped.answer(Reason::FurtherPlace, "r", "line 9");
        }
        assert_eq!(dropped.question_count(), 4);
        assert_eq!(dropped.question_reasons(), "1 no_place, 3 bad_range");
        let example = |id: &str, line| json!({"id": id, "place": format!("line {line}")});
        assert_eq!(
            serde_json::to_value(&dropped).unwrap(),
            json!({
                "questions": {
                    "no_place": {"count": 1, "examples": [example("r", 9)]},
                    "bad_range": {"count": 3, "examples": [example("q", 1), example("q", 2)]},
                },
                "answers": {"further_place": {"count": 2, "examples": [example("r", 9)]}},
            })
        );
        assert_eq!(
            dropped.questions[&Reason::BadRange].examples[1].to_string(),
            "q (line 2)"
        );
    }
}
