//! `task.json`: what a user-defined task is, and where the texts and labels are in its files.
//!
//! It is kept with the files, in `D/finetuning_data/<task>/`. Unknown keys are rejected, so that a
//! misspelt one is not ignored.

mod check;
mod error;
mod files;

pub use error::Error;
pub use files::OTHER_NAMES_OF_DEV;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::data::source::read_text;

/// Name of the description file in the folder of the task's data.
pub const FILE: &str = "task.json";

const KEYS: [&str; 9] = [
    "kind", "text", "text_b", "label", "labels", "range", "files", "id", "header",
];
const SPLITS: [&str; 3] = ["train", "dev", "test"];

/// Describes a user-defined task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub kind: Kind,
    /// The column of the text, of the first of two texts, or of a sentence's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Column>,
    /// The column of the second text of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_b: Option<Column>,
    /// The column of the label, or of a sentence's tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Column>,
    /// The labels in the order of their ids; by default those of the train file, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// The smallest and largest value of a regression; by default those of the train file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// File names, if they are not `train.*`, `dev.*` and `test.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// The column of the examples' ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Column>,
    /// Whether the first row of a csv or TSV file holds the column names. Only needed if all
    /// columns are given by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
}

/// Columns of a table under the keys of a description.
pub type Columns = Map<String, Value>;

/// What is predicted for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One of several classes for each text or pair of texts.
    Classification,
    /// A number for each text or pair of texts.
    Regression,
    /// A tag for each word.
    Tagging,
}

impl Kind {
    /// Returns the name used in `task.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::Tagging => "tagging",
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "the name of a column, or its number, counted from 0"
)]
pub enum Column {
    Name(String),
    /// From 0.
    Number(usize),
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Number(number) => write!(f, "number {number} (from 0)"),
        }
    }
}

/// The name of each split's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    pub train: Option<String>,
    pub dev: Option<String>,
    pub test: Option<String>,
}

impl Description {
    /// Describes a task of which only the kind is known.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            text: None,
            text_b: None,
            label: None,
            labels: None,
            range: None,
            files: None,
            id: None,
            header: None,
        }
    }

    /// Reads the description in a task's folder.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown key or a wrong type, or has keys that do not go
    /// together.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::read_file(&folder.join(FILE))
    }

    /// Same as [`Description::read`], for a file of any name.
    ///
    /// # Errors
    /// As for [`Description::read`].
    pub fn read_file(path: &Path) -> Result<Self, Error> {
        Self::parse(&read_text(path)?, &path.display().to_string())
    }

    /// Reads the description beside a file or else in `folder`, and returns it with its path;
    /// `None` if there is neither.
    ///
    /// # Errors
    /// As for [`Description::read`].
    pub fn beside(file: &Path, folder: &Path) -> Result<Option<(PathBuf, Self)>, Error> {
        let beside = file.parent().unwrap_or(Path::new(""));
        let mut folders = [beside, folder].into_iter();
        let found = folders.find(|folder| folder.join(FILE).is_file());
        found
            .map(|folder| Ok((folder.join(FILE), Self::read(folder)?)))
            .transpose()
    }

    /// Parses a description; errors name `file`.
    ///
    /// # Errors
    /// As for [`Description::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        let failed = |error: serde_json::Error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = error.to_string();
            Error::Json {
                file: file.to_owned(),
                line: error.line(),
                column: error.column(),
                problem: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
            }
        };
        let map: Map<String, Value> = serde_json::from_str(text).map_err(failed)?;
        check_keys(&map, &KEYS, file)?;
        if let Some(Value::Object(files)) = map.get("files") {
            check_keys(files, &SPLITS, file)?;
        }
        // Parsed from the text again, so that type errors have a position.
        let description: Self = serde_json::from_str(text).map_err(failed)?;
        description.check(file)?;
        Ok(description)
    }

    /// Returns the columns that it names, which a model stores for use where the data are not;
    /// `None` if it names none.
    pub fn columns(&self) -> Option<Columns> {
        let named = Self {
            text: self.text.clone(),
            text_b: self.text_b.clone(),
            label: self.label.clone(),
            id: self.id.clone(),
            header: self.header,
            ..Self::of(self.kind)
        };
        let Ok(Value::Object(mut columns)) = serde_json::to_value(named) else {
            return None;
        };
        columns.shift_remove("kind");
        let text = columns.contains_key("text") || columns.contains_key("text_b");
        (text || columns.contains_key("label")).then_some(columns)
    }

    /// Describes a task of this kind from the columns that a model stores; `task` is its name.
    ///
    /// # Errors
    /// If they are not valid columns, as may happen if they were edited by hand.
    pub fn of_columns(kind: Kind, columns: &Columns, task: &str) -> Result<Self, Error> {
        let mut described = columns.clone();
        described.insert("kind".to_owned(), kind.name().into());
        let file = format!("config.json of the model, heads.{task}.columns");
        Self::parse(&Value::Object(described).to_string(), &file)
    }
}

/// Rejects an unknown key, and suggests the most similar known one.
fn check_keys(map: &Map<String, Value>, known: &[&str], file: &str) -> Result<(), Error> {
    let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let likeness = |name: &str| strsim::jaro_winkler(key, name);
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    Err(Error::UnknownKey {
        file: file.to_owned(),
        key: key.clone(),
        nearest: nearest.copied().unwrap_or_default().to_owned(),
        known: known.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Description, String> {
        Description::parse(text, "task.json").map_err(|error| error.to_string())
    }

    #[test]
    fn a_description_is_read_and_written_alike() {
        let text = r#"{"kind":"regression","text":"a","text_b":3,"label":"score","range":[1.0,5.0],"files":{"train":"t.csv","dev":null,"test":null},"id":"n"}"#;
        let description = parsed(text).unwrap();
        assert_eq!(description.text_b, Some(Column::Number(3)));
        assert_eq!(serde_json::to_string(&description).unwrap(), text);
        let least = parsed(r#"{"kind": "classification"}"#).unwrap();
        assert_eq!(least, Description::of(Kind::Classification));
    }

    #[test]
    fn a_model_keeps_the_columns_alone() {
        let text = r#"{"kind": "classification", "text": "review", "label": 2, "id": "n", "labels": ["a", "b"]}"#;
        let description = parsed(text).unwrap();
        let columns = description.columns().unwrap();
        let kept = serde_json::to_string(&columns).unwrap();
        assert_eq!(kept, r#"{"text":"review","label":2,"id":"n"}"#);
        let read = Description::of_columns(description.kind, &columns, "films").unwrap();
        assert_eq!(
            read,
            Description {
                labels: None,
                ..description
            }
        );
        let usual = parsed(r#"{"kind": "regression", "range": [0, 1]}"#).unwrap();
        assert_eq!(usual.columns(), None);
        let wrong = Description::of_columns(
            Kind::Regression,
            serde_json::json!({"text": -1}).as_object().unwrap(),
            "films",
        );
        let message = wrong.unwrap_err().to_string();
        assert!(
            message.contains("config.json of the model, heads.films.columns")
                && message.contains("from 0"),
            "{message}"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, parts) in [
            (r#"{"kind": "tagging""#, ["line 1", "EOF"]),
            (r#"{"lable": 1}"#, ["\"lable\"", "\"label\""]),
            (r#"{}"#, ["missing field", "kind"]),
            (
                r#"{"kind": "class"}"#,
                ["unknown variant", "classification"],
            ),
            (
                r#"{"kind": "classification", "text": -1}"#,
                ["line 1", "from 0"],
            ),
            (
                r#"{"kind": "classification", "files": {"val": "x"}}"#,
                ["\"val\"", "train, dev, test"],
            ),
            (
                r#"{"kind": "classification", "labels": ["a"]}"#,
                ["labels", "at least two"],
            ),
            (
                r#"{"kind": "classification", "labels": ["a", "b", "a"]}"#,
                ["labels", "every label once"],
            ),
            (
                r#"{"kind": "regression", "labels": ["a", "b"]}"#,
                ["labels", "regression"],
            ),
            (
                r#"{"kind": "classification", "range": [0, 1]}"#,
                ["range", "regression"],
            ),
            (
                r#"{"kind": "regression", "range": [5, 1]}"#,
                ["range", "the least value first"],
            ),
            (
                r#"{"kind": "tagging", "text_b": "b"}"#,
                ["text_b", "tagging"],
            ),
            (
                r#"{"kind": "classification", "text": "a", "label": "a"}"#,
                ["label", "of its own"],
            ),
            (
                r#"{"kind": "classification", "text": "a", "header": false}"#,
                ["text", "number"],
            ),
            (
                r#"{"kind": "classification", "kind": "tagging"}"#,
                ["duplicate", "kind"],
            ),
        ] {
            let message = parsed(text).unwrap_err();
            for part in ["task.json"].into_iter().chain(parts) {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
        }
    }
}
