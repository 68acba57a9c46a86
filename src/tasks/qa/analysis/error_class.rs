//! Classifies a wrong prediction by the kind of error.

use serde::Serialize;

/// The error of a prediction. Answers are compared normalised and character by character, so "art"
/// is contained in "party".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    Missed,
    Invented,
    TooLong,
    TooShort,
    LongAndShort,
    Wrong,
}

impl ErrorClass {
    pub const ALL: [ErrorClass; 6] = [
        ErrorClass::Missed,
        ErrorClass::Invented,
        ErrorClass::TooLong,
        ErrorClass::TooShort,
        ErrorClass::LongAndShort,
        ErrorClass::Wrong,
    ];

    pub fn letter(self) -> char {
        match self {
            ErrorClass::Missed => 'a',
            ErrorClass::Invented => 'b',
            ErrorClass::TooLong => 'c',
            ErrorClass::TooShort => 'd',
            ErrorClass::LongAndShort => 'e',
            ErrorClass::Wrong => 'f',
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::Missed => "missed",
            ErrorClass::Invented => "invented",
            ErrorClass::TooLong => "too long",
            ErrorClass::TooShort => "too short",
            ErrorClass::LongAndShort => "too long and too short",
            ErrorClass::Wrong => "plainly wrong",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            ErrorClass::Missed => "says that there is no answer, but there is one",
            ErrorClass::Invented => "answers a question that has no answer",
            ErrorClass::TooLong => "holds a gold answer and more",
            ErrorClass::TooShort => "is a piece of a gold answer",
            ErrorClass::LongAndShort => "holds one gold answer and is a piece of another",
            ErrorClass::Wrong => "neither holds a gold answer nor is a piece of one",
        }
    }

    /// Classifies a wrong prediction. All texts are normalised; gold answers are not empty, and
    /// there are none if the question has no answer.
    pub fn of(gold: &[String], prediction: &str) -> Self {
        if gold.is_empty() {
            return ErrorClass::Invented;
        }
        if prediction.is_empty() {
            return ErrorClass::Missed;
        }
        // Equal texts would be correct, so containing another text means being longer.
        let holds = gold.iter().any(|gold| prediction.contains(gold.as_str()));
        let lies_in = gold.iter().any(|gold| gold.contains(prediction));
        match (holds, lies_in) {
            (true, false) => ErrorClass::TooLong,
            (false, true) => ErrorClass::TooShort,
            (true, true) => ErrorClass::LongAndShort,
            (false, false) => ErrorClass::Wrong,
        }
    }

    /// Returns whether the prediction is correct in a relaxed sense: it contains a gold answer or
    /// is contained in one.
    pub fn is_right_relaxed(self) -> bool {
        matches!(
            self,
            ErrorClass::TooLong | ErrorClass::TooShort | ErrorClass::LongAndShort
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(gold: &[&str], prediction: &str) -> char {
        let gold: Vec<String> = gold.iter().map(|&gold| gold.to_owned()).collect();
        ErrorClass::of(&gold, prediction).letter()
    }

    #[test]
    fn every_class_by_an_example() {
        assert_eq!(class(&["old oak"], ""), 'a');
        assert_eq!(class(&[], "old oak"), 'b');
        assert_eq!(class(&["old oak", "elm"], "big old oak"), 'c');
        assert_eq!(class(&["old oak", "elm"], "oak"), 'd');
        assert_eq!(class(&["old", "big old oak"], "old oak"), 'e');
        assert_eq!(class(&["old oak"], "old elm"), 'f');
    }

    #[test]
    fn texts_are_compared_by_characters() {
        assert_eq!(class(&["party"], "art"), 'd');
    }
}
