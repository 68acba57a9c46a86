//! Prediction and null-odds files: one JSON object from question ids to texts or numbers.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::Error;
use super::gold::read_text;
use super::question_map::QuestionMap;

/// Reads a predictions file: question id → answer text, empty for no answer.
///
/// # Errors
/// When the file cannot be read, is not a JSON object, or holds something other than texts.
pub fn read_predictions(path: &Path) -> Result<QuestionMap<String>, Error> {
    read_object(
        path,
        "a JSON object from question ids to answer texts",
        "an answer text",
        |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        },
    )
}

/// Reads a null-odds file: question id → a number that is higher where no answer is likelier.
///
/// # Errors
/// When the file cannot be read, is not a JSON object, or holds something other than numbers.
pub fn read_null_odds(path: &Path) -> Result<QuestionMap<f64>, Error> {
    read_object(
        path,
        "a JSON object from question ids to no-answer scores",
        "a no-answer score",
        |value| value.as_f64().ok_or(value),
    )
}

fn read_object<T>(
    path: &Path,
    expected_file: &'static str,
    expected: &'static str,
    take: impl Fn(Value) -> Result<T, Value>,
) -> Result<QuestionMap<T>, Error> {
    let object: Map<String, Value> =
        serde_json::from_str(&read_text(path)?).map_err(|source| Error::Json {
            path: path.to_owned(),
            expected: expected_file,
            source,
        })?;
    object
        .into_iter()
        .map(|(key, value)| match take(value) {
            Ok(value) => Ok((key, value)),
            Err(other) => Err(Error::Value {
                path: path.to_owned(),
                key,
                expected,
                found: describe(&other),
            }),
        })
        .collect()
}

/// What a JSON value is, short enough for one line.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
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
