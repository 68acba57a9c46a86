//! Classifies a question by its words.
//!
//! Whole words are compared, lower-cased and without punctuation, so "what's" is not "what". Of
//! several question words, the last in the list counts, not the last in the question: "who lived
//! when" is a "who" question.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::tasks::qa::scorers::normalize::{is_python_space, is_word};

/// What a question asks for, in the order of the keyword list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuestionType {
    Why,
    When,
    How,
    What,
    Who,
    Where,
    Which,
    /// Only in dialogues, such as QuAC's.
    Does,
    /// No keyword, and the dialogue continues.
    FollowUpOther,
    Other,
}

const KEYWORDS: [(&str, QuestionType); 8] = [
    ("why", QuestionType::Why),
    ("when", QuestionType::When),
    ("how", QuestionType::How),
    ("what", QuestionType::What),
    ("who", QuestionType::Who),
    ("where", QuestionType::Where),
    ("which", QuestionType::Which),
    ("does", QuestionType::Does),
];

/// The words whose combinations are counted.
const QUESTION_WORDS: [&str; 10] = [
    "why", "when", "how", "what", "who", "where", "which", "whom", "whose", "does",
];

impl QuestionType {
    /// Returns the type of a question; `followup` is its flag if the data are dialogues.
    pub fn of(question: &str, followup: Option<&str>) -> Self {
        let words = words(question);
        let found = KEYWORDS.iter().rev().find(|(word, question_type)| {
            (*question_type != QuestionType::Does || followup.is_some())
                && words.iter().any(|found| found == word)
        });
        match found {
            Some((_, question_type)) => *question_type,
            None if followup == Some("y") => QuestionType::FollowUpOther,
            None => QuestionType::Other,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            QuestionType::FollowUpOther => "followup_other",
            QuestionType::Other => "other",
            _ => KEYWORDS
                .iter()
                .find(|(_, question_type)| *question_type == self)
                .map_or("other", |(word, _)| word),
        }
    }
}

impl fmt::Display for QuestionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for QuestionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a "how" question asks: how far, how long, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HowType {
    Far,
    Long,
    Many,
    Much,
    Old,
    Come,
}

const HOW_WORDS: [(&str, HowType); 6] = [
    ("far", HowType::Far),
    ("long", HowType::Long),
    ("many", HowType::Many),
    ("much", HowType::Much),
    ("old", HowType::Old),
    ("come", HowType::Come),
];

impl HowType {
    /// Returns the first type in the list that occurs in a question with "how", anywhere in it.
    pub fn of(question: &str) -> Option<Self> {
        let words = words(question);
        let holds = |word: &str| words.iter().any(|found| found == word);
        let mut how_words = HOW_WORDS.iter();
        if !holds("how") {
            return None;
        }
        how_words
            .find(|(word, _)| holds(word))
            .map(|(_, how_type)| *how_type)
    }

    pub fn name(self) -> &'static str {
        HOW_WORDS
            .iter()
            .find(|(_, how_type)| *how_type == self)
            .map_or("", |(word, _)| word)
    }
}

/// Returns the question words of a question, each once, in a fixed order.
pub fn question_words(question: &str) -> Vec<&'static str> {
    let words = words(question);
    QUESTION_WORDS
        .into_iter()
        .filter(|word| words.iter().any(|found| found == word))
        .collect()
}

/// Splits a question into lower-case words; punctuation is removed without splitting words.
fn words(question: &str) -> Vec<String> {
    let kept: String = question
        .chars()
        .filter(|&c| is_word(c) || c == '_' || is_python_space(c))
        .collect();
    kept.to_lowercase()
        .split(is_python_space)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_keyword_of_the_list_counts() {
        let name = |question: &str| QuestionType::of(question, None).name();
        assert_eq!(name("Why is it green?"), "why");
        assert_eq!(name("Who lived there when it fell?"), "who");
        assert_eq!(name("When did he say who it was, and how?"), "who");
        assert_eq!(name("In WHICH year, and where?"), "which");
        assert_eq!(name("What's this?"), "other");
        assert_eq!(name("Somewhat whose show?"), "other");
        assert_eq!(name("Does it grow?"), "other");
        assert_eq!(name(""), "other");
    }

    #[test]
    fn dialogues_have_types_of_their_own() {
        let name = |question, followup| QuestionType::of(question, Some(followup)).name();
        assert_eq!(name("Which one does he like?", "n"), "does");
        assert_eq!(name("And then?", "y"), "followup_other");
        assert_eq!(name("And then?", "m"), "other");
        assert_eq!(name("Why?", "y"), "why");
    }

    #[test]
    fn how_questions_are_told_apart() {
        let name = |question| HowType::of(question).map(HowType::name);
        assert_eq!(name("How many old oaks?"), Some("many"));
        assert_eq!(name("How long is it, and how far?"), Some("far"));
        assert_eq!(name("How come?"), Some("come"));
        assert_eq!(name("How is it?"), None);
        assert_eq!(name("Is it far and old?"), None);
    }

    #[test]
    fn question_words_stand_in_a_fixed_order() {
        let words = question_words("Whose oak, who asked, does stand when? Who?");
        assert_eq!(words, ["when", "who", "whose", "does"]);
        assert!(question_words("Name it.").is_empty());
    }
}
