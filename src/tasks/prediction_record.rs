//! The record beside predictions for texts or words: which texts they belong to, and where they
//! come from.
//!
//! A line of the reference's predictions has an example's number and label, but not its text.
//! Without the record, predictions for other texts with the same labels could not be told apart.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::prediction_lines;
use crate::eval::{
    self,
    file_digest::FileDigest,
    origin::Origin,
    record_file::{self, Record},
};

/// The content of a predictions file's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionRecord {
    /// The file of the examples.
    pub data: FileDigest,
    /// Number and checksum of the texts, independent of the file's layout.
    pub texts: String,
    pub predictions: FileDigest,
    #[serde(flatten)]
    pub origin: Origin,
}

impl Record for PredictionRecord {
    const HOLDS: &'static str = "record";

    fn predictions(&self) -> &FileDigest {
        &self.predictions
    }
}

impl PredictionRecord {
    /// Writes the record of existing predictions.
    ///
    /// # Errors
    /// If a file cannot be read or the record cannot be written.
    pub fn write(
        predictions: &Path,
        data: &Path,
        texts: String,
        origin: &Origin,
    ) -> Result<(), eval::Error> {
        let record = Self {
            data: FileDigest::of(data)?,
            texts,
            predictions: record_file::digest(predictions)?,
            origin: origin.clone(),
        };
        record_file::write(&record, predictions)
    }

    /// Returns the record of a predictions file, if it has one. Predictions of the reference and of
    /// earlier versions have none.
    ///
    /// # Errors
    /// If the predictions cannot be read, or belong to texts other than these of `data`.
    pub fn of_texts(
        predictions: &Path,
        data: &Path,
        texts: &str,
    ) -> Result<Option<Self>, prediction_lines::Error> {
        let Some(record) = record_file::beside::<Self>(predictions)? else {
            return Ok(None);
        };
        if record.texts == texts {
            return Ok(Some(record));
        }
        Err(prediction_lines::Error::OtherTexts {
            predictions: predictions.to_owned(),
            data: data.to_owned(),
            expected: texts.to_owned(),
            found: record.texts,
            source_file: record.data.file,
        })
    }
}

/// A checksum of a list of texts, sensitive to the boundaries between them.
#[derive(Debug, Default)]
pub struct TextSum(u32);

impl TextSum {
    /// Adds a text, which may be absent.
    pub fn add(&mut self, text: Option<&str>) {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        self.0 = crc32c::crc32c_append(self.0, &length.to_le_bytes());
        self.0 = crc32c::crc32c_append(self.0, text.unwrap_or_default().as_bytes());
    }

    /// Formats the number of examples and their checksum.
    pub fn told(&self, examples: usize) -> String {
        format!("{examples} examples, crc32c {:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        let sum = |texts: &[Option<&str>]| {
            let mut sum = TextSum::default();
            texts.iter().for_each(|text| sum.add(*text));
            sum.told(1)
        };
        let all = [
            sum(&[Some("an"), Some("oak")]),
            sum(&[Some("ano"), Some("ak")]),
            sum(&[Some("anoak"), None]),
            sum(&[Some("anoak"), Some("")]),
            sum(&[Some("anoak")]),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one), "{one}");
        }
    }

    #[test]
    fn predictions_of_other_texts_are_refused_with_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, name).unwrap();
            path
        };
        let (predictions, data, other) = (put("p.jsonl"), put("dev.tsv"), put("other.tsv"));
        let origin = Origin::of_command(Path::new("my model"));
        let read = |texts: &str| PredictionRecord::of_texts(&predictions, &other, texts);
        assert_eq!(read("2 examples").unwrap(), None);
        PredictionRecord::write(&predictions, &data, "2 examples".to_owned(), &origin).unwrap();
        let record = read("2 examples").unwrap().unwrap();
        assert_eq!((record.data.file, record.origin), (data, origin));
        let message = read("3 examples").unwrap_err().to_string();
        for part in [
            "p.jsonl: expected predictions of the texts in ",
            "other.tsv (3 examples), found those of the texts in ",
            "dev.tsv as they were then (2 examples)",
            "evaluate the run again",
        ] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
        // Predictions that were changed since no longer have a record.
        std::fs::write(&predictions, "changed").unwrap();
        assert_eq!(read("3 examples").unwrap(), None);
    }
}
