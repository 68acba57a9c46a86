//! What a fine-tuned model is asked, whatever its task: the interface between the tasks and their
//! callers.

use std::fmt;

/// An input for a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Asks for the answer to a question on a passage.
    Question {
        question: String,
        passage: String,
        /// No-answer score above which there is no answer; overrides the model's threshold.
        threshold: Option<f64>,
    },
    /// Asks about a text or a pair of texts.
    Text { a: String, b: Option<String> },
}

impl Asked {
    /// Asks a question on a passage, with the model's own threshold.
    pub fn question(question: &str, passage: &str) -> Self {
        Self::Question {
            question: question.to_owned(),
            passage: passage.to_owned(),
            threshold: None,
        }
    }

    /// Asks about a text or a pair of texts.
    pub fn text(a: &str, b: Option<&str>) -> Self {
        Self::Text {
            a: a.to_owned(),
            b: b.map(str::to_owned),
        }
    }

    pub fn form(&self) -> Form {
        match self {
            Self::Question { .. } => Form::Question,
            Self::Text { b: None, .. } => Form::Text,
            Self::Text { b: Some(_), .. } => Form::Pair,
        }
    }

    /// Rejects an input without any text.
    ///
    /// # Errors
    /// If a part is blank.
    pub fn check(&self) -> Result<(), Refused> {
        let parts = match self {
            Self::Question {
                question, passage, ..
            } => [
                ("question", Some(question.as_str())),
                ("passage", Some(passage)),
            ],
            Self::Text { a, b } => [("text", Some(a.as_str())), ("text_b", b.as_deref())],
        };
        for (name, text) in parts {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return Err(Refused::Empty { name });
            }
        }
        Ok(())
    }
}

/// The form of input that a task takes or is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A question and a passage.
    Question,
    /// One text.
    Text,
    /// Two texts.
    Pair,
    /// One or two texts, for a model that does not say how many.
    TextOrPair,
}

impl Form {
    /// Returns whether an input of the form `given` is accepted; [`Form::TextOrPair`] accepts
    /// either.
    pub fn takes(self, given: Self) -> bool {
        let texts = self != Self::Question && given != Self::Question;
        let either = self == Self::TextOrPair || given == Self::TextOrPair;
        self == given || (texts && either)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Question => "a question and a passage",
            Self::Text => "one text",
            Self::Pair => "two texts",
            Self::TextOrPair => "one text or two",
        })
    }
}

/// Why something cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{task}: expected {expected}, found {found}")]
    Form {
        task: String,
        expected: Form,
        found: Form,
    },
    #[error("{name}: expected text, found none")]
    Empty { name: &'static str },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_take_what_they_say() {
        let given = [
            Asked::question("Who?", "Ada."),
            Asked::text("An oak", None),
            Asked::text("An oak", Some("A tree")),
        ];
        for (form, takes) in [
            (Form::Question, [true, false, false]),
            (Form::Text, [false, true, false]),
            (Form::Pair, [false, false, true]),
            (Form::TextOrPair, [false, true, true]),
        ] {
            assert_eq!(
                given.each_ref().map(|asked| form.takes(asked.form())),
                takes,
                "{form}"
            );
        }
    }

    #[test]
    fn what_may_be_either_is_taken_by_all_but_questions() {
        let takes = [Form::Question, Form::Text, Form::Pair, Form::TextOrPair]
            .map(|form| form.takes(Form::TextOrPair));
        assert_eq!(takes, [false, true, true, true]);
    }

    #[test]
    fn blanks_are_no_text() {
        for (asked, name) in [
            (Asked::question(" ", "p"), "question"),
            (Asked::question("q", "\n"), "passage"),
            (Asked::text("", None), "text"),
            (Asked::text("a", Some("\u{a0}")), "text_b"),
        ] {
            assert_eq!(asked.check(), Err(Refused::Empty { name }));
        }
        assert_eq!(Asked::text("a", None).check(), Ok(()));
    }
}
