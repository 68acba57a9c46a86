//! The keys that are read from a data file's JSON, as each family of data sets spells them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A key of any object; `Other` is skipped with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Version,
    Data,
    Header,
    Paragraphs,
    Context,
    Qas,
    Question,
    Id,
    Qid,
    Answers,
    Impossible,
    DetectedAnswers,
    OriginalAnswer,
    Followup,
    YesNo,
    Text,
    CharSpans,
    /// An answer's text in a column of its own.
    AnswerText,
    /// An answer's position, in its object or in a column of its own.
    AnswerStart,
    Other,
}

impl Key {
    pub fn of(name: &str) -> Self {
        match name {
            "version" => Key::Version,
            "data" => Key::Data,
            "header" => Key::Header,
            "paragraphs" => Key::Paragraphs,
            "context" => Key::Context,
            "qas" => Key::Qas,
            "question" => Key::Question,
            "id" => Key::Id,
            "qid" => Key::Qid,
            "answers" => Key::Answers,
            "is_impossible" => Key::Impossible,
            "detected_answers" => Key::DetectedAnswers,
            "orig_answer" => Key::OriginalAnswer,
            "followup" => Key::Followup,
            "yesno" => Key::YesNo,
            "text" | "texts" => Key::Text,
            "char_spans" => Key::CharSpans,
            // `Dataset.flatten()` joins names by a dot; AutoNLP and AutoTrain rename the parts.
            "answers.text"
            | "answers.ans_text"
            | "answers.answer_text"
            | "ans_text"
            | "answer"
            | "answer_text" => Key::AnswerText,
            "answers.answer_start"
            | "answers.start_idx"
            | "answers.start"
            | "start_idx"
            | "answer_start"
            | "answer_starts" => Key::AnswerStart,
            _ => Key::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                Ok(Key::of(name))
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}
