//! Prediction and null-odds files: one JSON object from question ids to texts or numbers.

use std::fmt;
use std::path::Path;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::question_map::QuestionMap;
use crate::{
    data::{
        json_text::{halves_read, mend},
        source::read_text,
    },
    eval,
    tasks::qa::error::Error,
};

/// Reads a predictions file: question id → answer text, empty for no answer.
///
/// # Errors
/// If the file cannot be read, is not a JSON object, or holds something other than texts.
pub fn read_predictions(path: &Path) -> Result<QuestionMap<String>, Error> {
    read_object(
        path,
        "a JSON object from question ids to answer texts",
        "an answer text",
        |value| match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        },
    )
}

/// Reads a null-odds file: question id → a number that is higher if no answer is more likely.
///
/// # Errors
/// If the file cannot be read, is not a JSON object, or holds something other than numbers.
pub fn read_null_odds(path: &Path) -> Result<QuestionMap<f64>, Error> {
    read_object(
        path,
        "a JSON object from question ids to no-answer scores",
        "a no-answer score",
        |value| match value {
            Value::Number(number) => Ok(number),
            other => Err(other),
        },
    )
}

fn read_object<T>(
    path: &Path,
    expected_file: &'static str,
    expected: &'static str,
    take: impl Fn(Value) -> Result<T, Value>,
) -> Result<QuestionMap<T>, Error> {
    let mut text = read_text(path)?;
    let surrogates = mend(&mut text);
    if surrogates > 0 {
        log::warn!("{}: {}", path.display(), halves_read(surrogates, ""));
    }
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let entries = Entries::deserialize(&mut deserializer);
    let entries = entries.and_then(|entries| deserializer.end().map(|()| entries));
    let Entries(entries) = entries.map_err(|source| eval::Error::Json {
        path: path.to_owned(),
        expected: expected_file,
        source,
    })?;
    entries
        .into_iter()
        .map(|(key, value)| match take(value) {
            Ok(value) => Ok((key, value)),
            Err(other) => Err(Error::Value {
                path: path.to_owned(),
                key,
                expected,
                found: other.to_string(),
            }),
        })
        .collect()
}

/// The entries of an object in order, including duplicates.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// A value; lists and objects are counted but not kept.
enum Value {
    Null,
    Boolean,
    Number(f64),
    Text(String),
    /// Also represents `NaN` and the infinities.
    List(usize),
    Object,
}

/// Describes a value briefly enough for one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean => f.write_str("a boolean"),
            Value::Number(number) => write!(f, "the number {number}"),
            Value::Text(_) => f.write_str("a text"),
            Value::List(1) => f.write_str("an array of 1, NaN or Infinity"),
            Value::List(items) => write!(f, "an array of {items}"),
            Value::Object => f.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Boolean)
            }
            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number as f64))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut count = 0;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Value::List(count))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Object)
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error<T>(
        text: &str,
        read: impl Fn(&Path) -> Result<QuestionMap<T>, Error>,
    ) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.json");
        std::fs::write(&path, text).unwrap();
        match read(&path) {
            Ok(_) => panic!("{text} was taken"),
            Err(error) => (
                error.to_string(),
                std::error::Error::source(&error).is_some(),
            ),
        }
    }

    #[test]
    fn entries_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odds.json");
        std::fs::write(&path, r#"{"b": -2, "a": 1.5e-3, "b": 7}"#).unwrap();
        let odds = read_null_odds(&path).unwrap();
        assert_eq!(
            odds.iter().collect::<Vec<_>>(),
            [("b", &7.0), ("a", &1.5e-3)]
        );
    }

    #[test]
    fn wrong_values_are_located() {
        let (text, _) = error(r#"{"q1": "x", "q2": null}"#, read_predictions);
        for part in ["some.json", "\"q2\"", "an answer text", "found null"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        let (text, _) = error(r#"{"data": [1, 2]}"#, read_predictions);
        assert!(
            text.contains("\"data\"") && text.contains("an array of 2"),
            "{text}"
        );
        let (text, _) = error(r#"{"q1": "0.5"}"#, read_null_odds);
        assert!(
            text.contains("\"q1\"") && text.contains("found a text"),
            "{text}"
        );
    }

    #[test]
    fn files_of_windows_and_of_python_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preds.json");
        std::fs::write(&path, "\u{FEFF}{\"7\": \"half \\ud83d\",\r\n \"8\": \"\"}").unwrap();
        let answers = read_predictions(&path).unwrap();
        assert_eq!(answers.get("7").map(String::as_str), Some("half \u{FFFD}"));
        let (text, _) = error(r#"{"q": NaN}"#, read_null_odds);
        assert!(text.contains("\"q\"") && text.contains("NaN"), "{text}");
    }

    #[test]
    fn other_files_are_named_with_their_cause() {
        for text in ["[]", "{\"q1\": ", ""] {
            let (message, caused) = error(text, read_predictions);
            assert!(
                message.contains("some.json") && message.contains("question ids"),
                "{message}"
            );
            assert!(caused);
        }
        let message = read_null_odds(Path::new("no/such.json"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("such.json"), "{message}");
    }
}
