//! Reads back the predictions file of a run: one JSON object per line, one line per example in
//! order.

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{
    counted::counted,
    data::{self, existing_file::existing, line_reader::LineReader},
    eval,
};

/// Why predictions could not be read or do not match the data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read; the message comes from its reader.
    #[error(transparent)]
    Data(#[from] data::Error),

    #[error(transparent)]
    File(#[from] eval::Error),

    #[error(
        "{}: expected the run's predictions, found no such file; evaluate the run first, or give the \
         settings that it was run with (task_names, num_trials, model_dir, results_txt)",
        path.display()
    )]
    Absent { path: PathBuf },

    #[error(
        "{}: expected predictions of the texts in {} ({expected}), found those of the texts in {} as they \
         were then ({found}); evaluate the run again, or give the data and the settings that it was evaluated with",
        predictions.display(), data.display(), source_file.display()
    )]
    OtherTexts {
        predictions: PathBuf,
        data: PathBuf,
        expected: String,
        found: String,
        /// The file that was predicted.
        source_file: PathBuf,
    },

    #[error(
        "{}: line {line}: expected {expected}, found {found}; the predictions are those of other data or of \
         another model: evaluate the run again, or give the data and the settings that it was run with",
        path.display()
    )]
    Line {
        path: PathBuf,
        line: usize,
        expected: String,
        found: String,
    },
}

/// Reads the lines of a file one by one.
pub struct PredictionLines<T> {
    path: PathBuf,
    lines: LineReader,
    /// Number of the line that was read last, or of the missing one.
    number: usize,
    /// What a line holds, for messages.
    keys: &'static str,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> PredictionLines<T> {
    /// Opens a file whose lines have these `keys`.
    ///
    /// # Errors
    /// If it does not exist or is not a text file.
    pub fn open(path: &Path, keys: &'static str) -> Result<Self, Error> {
        if !existing(path).exists() {
            return Err(Error::Absent {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            lines: LineReader::open(path)?,
            number: 0,
            keys,
            of: PhantomData,
        })
    }

    /// Returns the next line, which must be that of `example`.
    ///
    /// # Errors
    /// If there is none or it has other keys.
    pub fn next_of(&mut self, example: &str) -> Result<T, Error> {
        self.number += 1;
        let Some((_, line)) = self.lines.next_line()? else {
            let expected = format!("a line for {example}");
            return Err(self.wrong(expected, "the end of the file"));
        };
        serde_json::from_str(line.trim_end()).map_err(|error| {
            let expected = format!("a JSON object with {}", self.keys);
            // The parser only sees this line and always calls it line 1.
            let problem = error.to_string();
            let problem = problem.replace(" at line 1 column", " at column");
            self.wrong(expected, problem)
        })
    }

    /// Rejects anything after the last example.
    ///
    /// # Errors
    /// If there is another line.
    pub fn end(&mut self, examples: usize) -> Result<(), Error> {
        self.number += 1;
        match self.lines.next_line()? {
            None => Ok(()),
            Some(_) => Err(self.wrong(
                format!(
                    "the end of the file, after {} of the data",
                    counted(examples, "example")
                ),
                "another line",
            )),
        }
    }

    /// Creates an error about the line that was read last.
    pub fn wrong(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Line {
            path: self.path.clone(),
            line: self.number,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn lines(text: &str) -> (tempfile::TempDir, PredictionLines<Value>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rte_dev.jsonl");
        std::fs::write(&path, text).unwrap();
        let lines = PredictionLines::open(&path, "eid and logits").unwrap();
        (folder, lines)
    }

    #[test]
    fn a_line_is_an_example() {
        let (_folder, mut lines) = lines("{\"eid\": 0}\n{\"eid\": 2}");
        assert_eq!(lines.next_of("eid 0").unwrap()["eid"], 0);
        assert_eq!(lines.next_of("eid 2").unwrap()["eid"], 2);
        lines.end(2).unwrap();
    }

    #[test]
    fn the_line_that_is_none_is_named() {
        let told = |error: Error| error.to_string();
        let (_folder, mut lines) = lines("{\"eid\": 0}\n\n");
        let message = told(lines.end(0).unwrap_err());
        assert!(
            message
                .contains("rte_dev.jsonl: line 1: expected the end of the file, after 0 examples"),
            "{message}"
        );
        let message = told(lines.next_of("eid 1").unwrap_err());
        assert!(
            message.contains("line 2: expected a JSON object with eid and logits")
                && message.contains("at column 0")
                && message.contains("evaluate the run again"),
            "{message}"
        );
        let message = told(lines.next_of("eid 2").unwrap_err());
        assert!(
            message.contains("line 3: expected a line for eid 2, found the end of the file"),
            "{message}"
        );
    }

    #[test]
    fn a_run_that_was_not_evaluated_is_told() {
        let path = Path::new("no/such/rte_dev.jsonl");
        let message = PredictionLines::<Value>::open(path, "eid").err().unwrap();
        let message = message.to_string();
        assert!(
            message.contains("rte_dev.jsonl") && message.contains("evaluate the run first"),
            "{message}"
        );
    }
}
