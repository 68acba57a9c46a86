//! A file of inputs for a fine-tuned model, of any form except questions, which have files of their
//! own.

use std::path::{Path, PathBuf};

use super::{
    classification::asked_file::TextFile, error::Error, output::Output,
    tagging::asked_file::WordFile,
};
use crate::batch::Row;

/// Name of the predictions file, which has one line per example.
pub const PREDICTIONS: &str = "predictions.jsonl";

/// A file, featurised.
pub enum AskedFile {
    Texts(TextFile),
    Words(WordFile),
}

impl AskedFile {
    /// Returns the rows that the model reads.
    pub fn rows(&self) -> Vec<Row<'_>> {
        match self {
            Self::Texts(file) => file.rows().collect(),
            Self::Words(file) => file.rows().collect(),
        }
    }

    /// Describes the file's content on one line.
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

    /// Returns how many rows or words are left out.
    pub fn left_out(&self) -> usize {
        match self {
            Self::Texts(file) => file.left_out(),
            Self::Words(file) => file.left_out(),
        }
    }

    /// Returns the files that are written to `folder`: the predictions and, for GLUE test files,
    /// the submission for gluebenchmark.com.
    pub fn files(&self, folder: &Path) -> Vec<PathBuf> {
        let submission = match self {
            Self::Texts(file) => file.submission(),
            Self::Words(_) => None,
        };
        let names = [PREDICTIONS].into_iter().chain(submission);
        names.map(|name| folder.join(name)).collect()
    }

    /// Writes the predictions for the file, given the model's outputs for its rows.
    ///
    /// # Errors
    /// If a logit is not finite or a file cannot be written.
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
