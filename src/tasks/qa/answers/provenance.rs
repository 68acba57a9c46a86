//! `<predictions>.provenance.json`: how to score a predictions file, and where it comes from.
//!
//! The reference's files hold only answers and null odds. The threshold with which they were
//! evaluated is recorded beside them, so that scoring them later gives the same metrics. The record
//! identifies the content of the predictions, so that it is not mistaken for that of others.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    eval::{
        error::Error,
        file_digest::FileDigest,
        origin::Origin,
        record_file::{self, Record},
    },
    tasks::qa::scorers::metric::Metric,
};

/// The content of a predictions file's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// How the predictions are scored; `None` if the data determine it.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Answers whose null odds exceed it are held back; `None` without null odds.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// The questions.
    pub data: FileDigest,
    pub predictions: FileDigest,
    #[serde(default)]
    pub null_odds: Option<FileDigest>,
    #[serde(flatten)]
    pub origin: Origin,
}

impl Provenance {
    /// Describes existing files; null odds are in the folder of the predictions.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn of(
        data: FileDigest,
        predictions: &Path,
        null_odds: Option<&Path>,
        metric: Option<Metric>,
        threshold: f64,
        origin: Origin,
    ) -> Result<Self, Error> {
        let beside = |path: &Path| -> Result<FileDigest, Error> {
            let mut digest = FileDigest::of(path)?;
            if path.parent() == predictions.parent() {
                digest.file = path.file_name().unwrap_or_default().into();
            }
            Ok(digest)
        };
        let null_odds = null_odds.map(beside).transpose()?;
        Ok(Provenance {
            metric,
            threshold: null_odds.is_some().then_some(threshold),
            data,
            predictions: beside(predictions)?,
            null_odds,
            origin,
        })
    }

    /// Returns the path of a predictions file's record.
    pub fn path(predictions: &Path) -> PathBuf {
        record_file::path(predictions)
    }

    /// Writes the record beside its predictions.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, predictions: &Path) -> Result<(), Error> {
        record_file::write(self, predictions)
    }

    /// Returns the record of a predictions file, if there is one that matches its content.
    ///
    /// # Errors
    /// If the predictions cannot be read.
    pub fn beside(predictions: &Path) -> Result<Option<Self>, Error> {
        record_file::beside(predictions)
    }
}

impl Record for Provenance {
    const HOLDS: &'static str = "threshold";

    fn predictions(&self) -> &FileDigest {
        &self.predictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::file_digest::sum_of;

    fn record(folder: &Path) -> (PathBuf, Provenance) {
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let data = FileDigest::of(&put("dev.json", "abc")).unwrap();
        let (predictions, odds) = (put("p.json", "{}"), put("o.json", "{}"));
        let origin = Origin::of_command(Path::new("my model"));
        let metric = Some(Metric::Squad2);
        let record = Provenance::of(data, &predictions, Some(&odds), metric, -0.5, origin).unwrap();
        (predictions, record)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let (predictions, record) = record(folder.path());
        record.write(&predictions).unwrap();
        let path = folder.path().join("p.provenance.json");
        assert_eq!(Provenance::path(&predictions), path);
        let read = Provenance::beside(&predictions).unwrap();
        assert_eq!(read.as_ref(), Some(&record));
        // As printed by `printf abc | sha256sum`.
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(record.data.sha256.as_deref(), Some(sum));
        assert_eq!(record.data.short(), "ba7816bf8f01");
        assert_eq!(record.null_odds.unwrap().file, Path::new("o.json"));
    }

    #[test]
    fn a_record_of_other_predictions_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (predictions, record) = record(folder.path());
        record.write(&predictions).unwrap();
        std::fs::write(&predictions, "{\"a\": \"b\"}").unwrap();
        assert_eq!(Provenance::beside(&predictions).unwrap(), None);
        std::fs::write(Provenance::path(&predictions), "{").unwrap();
        assert_eq!(Provenance::beside(&predictions).unwrap(), None);
        let none = folder.path().join("other.json");
        assert_eq!(Provenance::beside(&none).unwrap(), None);
    }

    #[test]
    fn predictions_that_were_packed_keep_their_record() {
        use std::io::Write;

        let folder = tempfile::tempdir().unwrap();
        let (predictions, mut record) = record(folder.path());
        record.write(&predictions).unwrap();
        let packed = folder.path().join("p.json.gz");
        let compression = flate2::Compression::default();
        let mut archive = flate2::write::GzEncoder::new(Vec::new(), compression);
        archive.write_all(b"{}").unwrap();
        let archive = archive.finish().unwrap();
        std::fs::write(&packed, &archive).unwrap();
        let read = |path: &Path| Provenance::beside(path).unwrap();
        assert_eq!(read(&packed).as_ref(), Some(&record));
        // Also under the old name, once only the archive is left.
        std::fs::remove_file(&predictions).unwrap();
        assert_eq!(read(&predictions).as_ref(), Some(&record));
        let found = FileDigest::of(&predictions).unwrap();
        assert_eq!(found.sha256, record.predictions.sha256);
        assert_eq!(found.file, packed);

        // What version 0.1 recorded for an archive.
        let bytes = sum_of(archive.as_slice()).unwrap();
        assert_ne!(found.sha256.as_ref(), Some(&bytes));
        record.predictions.sha256 = Some(bytes);
        record.write(&predictions).unwrap();
        assert_eq!(read(&packed), Some(record));
        // Half an archive is different content, but not an error here.
        std::fs::write(&packed, &archive[..archive.len() / 2]).unwrap();
        assert_eq!(read(&packed), None);
    }

    #[test]
    fn without_null_odds_there_is_no_threshold() {
        let folder = tempfile::tempdir().unwrap();
        let (predictions, record) = record(folder.path());
        let plain =
            Provenance::of(record.data, &predictions, None, None, -0.5, record.origin).unwrap();
        assert_eq!((plain.threshold, plain.null_odds), (None, None));
    }
}
