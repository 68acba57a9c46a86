//! A file that a fine-tuned model is asked about, whatever is read of it but questions, which have files
//! of their own.

use std::path::{Path, PathBuf};

use super::{
    classification::asked_file::TextFile, error::Error, output::Output,
    tagging::asked_file::WordFile,
};
use crate::batch::Row;

/// The file of the predictions, a line an example.
pub const PREDICTIONS: &str = "predictions.jsonl";

/// A file, featurised.
pub enum AskedFile {
    Texts(TextFile),
    Words(WordFile),
}

impl AskedFile {
    /// The rows that the model reads.
    pub fn rows(&self) -> Vec<Row<'_>> {
        match self {
            Self::Texts(file) => file.rows().collect(),
            Self::Words(file) => file.rows().collect(),
        }
    }

    /// What the file holds, in a line.
    pub fn line(&self) -> String {
        match self {
            Self::Texts(file) => file.line(),
            Self::Words(file) => file.line(),
        }
    }

    pub fn examples(&self) -> usize {
        match self {
            Self::Texts(file) => file.examples(),
            Self::Words(file) => file.examples(),
        }
    }

    /// How many rows or words are left out.
    pub fn left_out(&self) -> usize {
        match self {
            Self::Texts(file) => file.left_out(),
            Self::Words(file) => file.left_out(),
        }
    }

    /// The files that are written in `folder`: the predictions, and of GLUE's test files what
    /// gluebenchmark.com takes.
    pub fn files(&self, folder: &Path) -> Vec<PathBuf> {
        let submission = match self {
            Self::Texts(file) => file.submission(),
            Self::Words(_) => None,
        };
        let names = [PREDICTIONS].into_iter().chain(submission);
        names.map(|name| folder.join(name)).collect()
    }

    /// Writes what is said of the file, by what the model says of its rows.
    ///
    /// # Errors
    /// When a logit is not finite, or a file cannot be written.
    pub fn write(&self, outputs: Vec<Output>, folder: &Path) -> Result<(), Error> {
        let logits = outputs.into_iter().filter_map(|output| match output {
            Output::Logits(logits) => Some(logits),
            Output::Span(_) => None,
        });
        let (logits, files) = (logits.collect(), self.files(folder));
        match self {
            Self::Texts(file) => {
                Ok(file.write(logits, &files[0], files.get(1).map(PathBuf::as_path))?)
            }
            Self::Words(file) => Ok(file.write(logits, &files[0])?),
        }
    }
}
