//! `<predictions>.provenance.json`: what a predictions file is scored with, and where it comes from.
//!
//! The reference's files hold answers and null odds alone; the threshold that they were evaluated
//! with lies beside them, so that whoever scores them later gets the same figures. The record
//! names the content of the predictions, so that it is not taken for that of others.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::json_file::write_json;
use super::score::Metric;
use crate::{data::source::existing, utc};

/// Where a run's figures come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The model that answered.
    pub checkpoint: PathBuf,
    /// When it answered, in UTC.
    pub date: String,
    /// Of this program.
    pub version: String,
    pub device: String,
    /// Number format of the matrix products.
    pub precision: String,
    /// The trial's; none of a model that was opened as it is.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Hyper-parameters that differ from their defaults.
    #[serde(default)]
    pub settings: Map<String, Value>,
    pub command: String,
}

impl Origin {
    /// What is known of any command: its words, the version, the time.
    pub fn of_command(checkpoint: &Path) -> Self {
        Origin {
            checkpoint: checkpoint.to_owned(),
            date: utc::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command(),
            ..Origin::default()
        }
    }
}

/// A file and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// As it was given; beside the predictions, its name alone.
    pub file: PathBuf,
    /// In hexadecimal, as `sha256sum` prints it; none of what cannot be read twice.
    pub sha256: Option<String>,
}

impl FileDigest {
    /// The file of that name, or its gzip archive where that is what there is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let path = &existing(path);
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let regular = path.metadata().map_err(read)?.is_file();
        Ok(FileDigest {
            file: path.to_owned(),
            sha256: if regular {
                Some(sha256(path).map_err(read)?)
            } else {
                None
            },
        })
    }

    /// Whether `other` has the same content, as far as both are known.
    pub fn is_content_of(&self, other: &FileDigest) -> bool {
        match (&self.sha256, &other.sha256) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        }
    }

    /// The first digits, enough to tell files apart.
    pub fn short(&self) -> &str {
        match &self.sha256 {
            Some(sum) => sum.get(..12).unwrap_or(sum),
            None => "unknown",
        }
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    loop {
        let read = file.fill_buf()?;
        if read.is_empty() {
            break;
        }
        hasher.update(read);
        let length = read.len();
        file.consume(length);
    }
    let sum = hasher.finalize();
    Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What lies beside a predictions file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// How the predictions are marked; none where the data decide.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Answers whose null odds exceed it are held back; none without null odds.
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
    /// Describes files that are written; null odds lie in the folder of the predictions.
    ///
    /// # Errors
    /// When a file cannot be read.
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

    /// Where the record of a predictions file lies: `squad_preds.json` has
    /// `squad_preds.provenance.json`.
    pub fn path(predictions: &Path) -> PathBuf {
        let stem = predictions.file_stem().unwrap_or(OsStr::new("predictions"));
        let mut name = stem.to_owned();
        name.push(".provenance.json");
        predictions.with_file_name(name)
    }

    /// Writes the record beside its predictions.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, predictions: &Path) -> Result<(), Error> {
        write_json(&Self::path(predictions), self)
    }

    /// The record of a predictions file, if it has one that speaks of its content. One that is
    /// damaged or belongs to other predictions is passed over, and that is said.
    ///
    /// # Errors
    /// When the predictions cannot be read.
    pub fn beside(predictions: &Path) -> Result<Option<Self>, Error> {
        let path = Self::path(predictions);
        if !path.is_file() {
            return Ok(None);
        }
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        let record = read.and_then(|text| {
            serde_json::from_slice::<Self>(&text).map_err(|error| error.to_string())
        });
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                log::warn!("{}: passed over: {error}", path.display());
                return Ok(None);
            }
        };
        if !record
            .predictions
            .is_content_of(&FileDigest::of(predictions)?)
        {
            log::warn!(
                "{} belongs to other predictions than {} holds now: its threshold is passed over",
                path.display(),
                predictions.display()
            );
            return Ok(None);
        }
        Ok(Some(record))
    }
}

/// The command line, quoted for a shell.
pub fn command() -> String {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let mut command = quoted(&program.to_string_lossy());
    for word in words {
        command.push(' ');
        command.push_str(&quoted(&word.to_string_lossy()));
    }
    command
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // As `printf abc | sha256sum` has it.
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
    fn without_null_odds_there_is_no_threshold() {
        let folder = tempfile::tempdir().unwrap();
        let (predictions, record) = record(folder.path());
        let plain =
            Provenance::of(record.data, &predictions, None, None, -0.5, record.origin).unwrap();
        assert_eq!((plain.threshold, plain.null_odds), (None, None));
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("--set=a/b.json"), "--set=a/b.json");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
