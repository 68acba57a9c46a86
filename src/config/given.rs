//! Reads what the user gave: `--hparams` (JSON text, or the path of a `.json` file, comments
//! allowed) and any number of `--set KEY=VALUE`, which override it, as one JSON object.

use std::path::Path;

use json_comments::{CommentSettings, StripComments};
use serde_json::{Map, Value};

use super::{error::Error, hparam::takes_text, table::OVERRIDES};

/// Reads `hparams` and applies `sets` to it in order, so that later ones win.
///
/// # Errors
/// If a file cannot be read, the text is not a JSON object, or a `--set` has no `=`.
pub fn read(hparams: Option<&str>, sets: &[String]) -> Result<Map<String, Value>, Error> {
    let mut given = match hparams {
        Some(text) => read_hparams(text)?,
        None => Map::new(),
    };
    for text in sets {
        set(&mut given, text)?;
    }
    Ok(given)
}

fn read_hparams(text: &str) -> Result<Map<String, Value>, Error> {
    let (origin, json) = if text.ends_with(".json") {
        let path = Path::new(text);
        let json = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        (text, json)
    } else {
        ("--hparams", text.to_owned())
    };
    // Windows editors put a byte-order mark before the text, which JSON does not allow.
    let json = json.strip_prefix('\u{feff}').unwrap_or(&json);
    let json = StripComments::with_settings(CommentSettings::c_style(), json.as_bytes());
    let value: Value = serde_json::from_reader(json).map_err(|source| Error::Json {
        origin: origin.to_owned(),
        source,
    })?;
    match value {
        Value::Object(map) => Ok(map),
        other => Err(Error::NotAnObject {
            origin: origin.to_owned(),
            found: super::error::shorten(&other.to_string()),
        }),
    }
}

/// Applies one `KEY=VALUE`. The value is parsed as JSON, or else taken as text. For a key that
/// takes text, only quoted text and `null` are parsed as JSON, so that `model_dir=2024` is a
/// folder.
fn set(given: &mut Map<String, Value>, text: &str) -> Result<(), Error> {
    let wrong = || Error::SetSyntax {
        text: super::error::shorten(text),
    };
    let (key, word) = text.split_once('=').ok_or_else(wrong)?;
    let (key, word) = (key.trim(), word.trim());
    if key.is_empty() {
        return Err(wrong());
    }
    let value = match serde_json::from_str(word) {
        Ok(value @ (Value::String(_) | Value::Null)) => value,
        Ok(value) if !takes_text(key) => value,
        _ => Value::String(word.to_owned()),
    };
    match key
        .strip_prefix(OVERRIDES)
        .and_then(|key| key.strip_prefix('.'))
    {
        Some(inner) => {
            let overrides = given
                .entry(OVERRIDES)
                .or_insert_with(|| Value::Object(Map::new()));
            match overrides.as_object_mut() {
                Some(overrides) => overrides.insert(inner.to_owned(), value),
                None => {
                    let expected = "an object, as --set changes one of its keys".to_owned();
                    return Err(Error::wrong_type(OVERRIDES, overrides, expected));
                }
            }
        }
        None => given.insert(key.to_owned(), value),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(hparams: Option<&str>, sets: &[&str]) -> Result<Value, String> {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        read(hparams, &sets)
            .map(Value::Object)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn values_are_json_or_text() {
        let found = given(
            None,
            &[
                "train_batch_size=16",
                "learning_rate=3e-4",
                "debug=true",
                "model_size=large",
                "embedding_size=null",
                "task_names=[\"squad\", \"newsqa\"]",
                "results_txt=a=b.txt",
                " doc_stride = 64 ",
            ],
        );
        let expected = json!({
            "train_batch_size": 16, "learning_rate": 3e-4, "debug": true, "model_size": "large",
            "embedding_size": null, "task_names": ["squad", "newsqa"], "results_txt": "a=b.txt",
            "doc_stride": 64,
        });
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn comments_are_no_part_of_it() {
        let text = "{ // the card at home\n \"train_batch_size\": 8, /* of\n 32 */\n \
                    \"model_size\": \"a//b\" }";
        let expected = json!({"train_batch_size": 8, "model_size": "a//b"});
        assert_eq!(given(Some(text), &[]), Ok(expected));
        let error = given(Some("{\n// one\n/* two */ 3}"), &[]).unwrap_err();
        assert!(error.contains("line 3 column 11"), "{error}");
        assert!(given(Some("{} /* without end"), &[]).is_err());
    }

    #[test]
    fn a_path_that_reads_as_a_number_stays_text() {
        let found = given(
            None,
            &[
                "model_dir=2024",
                "vocab_file=\"v.txt\"",
                "init_checkpoint=null",
            ],
        );
        let expected = json!({"model_dir": "2024", "vocab_file": "v.txt", "init_checkpoint": null});
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn dots_reach_into_the_overrides() {
        let found = given(
            Some(r#"{"model_hparam_overrides": {"hidden_size": 64, "num_hidden_layers": 2}}"#),
            &["model_hparam_overrides.hidden_size=128"],
        );
        let expected =
            json!({"model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 2}});
        assert_eq!(found, Ok(expected));
        assert_eq!(
            given(None, &["model_hparam_overrides.hidden_size=128"]),
            Ok(json!({"model_hparam_overrides": {"hidden_size": 128}}))
        );
        assert_eq!(
            given(
                Some(r#"{"model_hparam_overrides": 3}"#),
                &["model_hparam_overrides.hidden_size=128"]
            ),
            Err(
                "hyper-parameter model_hparam_overrides = 3: expected an object, as --set changes \
                 one of its keys"
                    .to_owned()
            )
        );
    }

    #[test]
    fn set_wins_over_hparams_and_the_last_set_over_earlier_ones() {
        assert_eq!(
            given(Some(r#"{"seed": 1, "debug": true}"#), &["seed=2", "seed=3"]),
            Ok(json!({"seed": 3, "debug": true}))
        );
    }

    #[test]
    fn hparams_may_be_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.json");
        std::fs::write(&path, "\u{feff}{\"model_size\": \"large\"}").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(given(Some(path), &[]), Ok(json!({"model_size": "large"})));
        let missing = folder.path().join("none.json");
        let missing = missing.to_str().unwrap();
        let message = given(Some(missing), &[]).unwrap_err();
        assert!(
            message.starts_with(&format!("{missing}: the hyper-parameters cannot be read: ")),
            "{message}"
        );
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        let message = given(Some("{model_size: large}"), &[]).unwrap_err();
        assert!(
            message.starts_with("--hparams: not JSON: key must be a string"),
            "{message}"
        );
        assert!(
            message.contains("give --set KEY=VALUE instead"),
            "{message}"
        );
        assert_eq!(
            given(Some("[1]"), &[]),
            Err(
                "--hparams: expected a JSON object such as {\"model_size\": \"large\"}, found [1]"
                    .to_owned()
            )
        );
        for text in ["debug", "=1", ""] {
            assert_eq!(
                given(None, &[text]),
                Err(format!(
                    "--set {text}: expected KEY=VALUE, for example --set train_batch_size=16"
                ))
            );
        }
    }
}
