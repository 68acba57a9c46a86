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

use crate::{
    data::source::{Source, existing},
    eval::{error::Error, json_file::write_json},
    tasks::qa::scorers::score::Metric,
    utc,
};

/// How a gzip archive begins.
const GZIP: [u8; 2] = [0x1F, 0x8B];

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
    /// In hexadecimal, as `sha256sum` prints it, of a gzip archive that of what is packed in it;
    /// none of what cannot be read twice.
    pub sha256: Option<String>,
}

impl FileDigest {
    /// The file of that name, or its gzip archive where that is what there is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let path = &existing(path);
        let read = unreadable(path);
        let regular = path.metadata().map_err(&read)?.is_file();
        Ok(FileDigest {
            file: path.to_owned(),
            sha256: if regular {
                Some(sha256(path).map_err(&read)?)
            } else {
                None
            },
        })
    }

    /// Whether the file of that name, or its gzip archive, has this content, as far as both are
    /// known: a file may have been packed or unpacked meanwhile.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_of(&self, path: &Path) -> Result<bool, Error> {
        let found = FileDigest::of(path)?;
        if self.is_content_of(&found) {
            return Ok(true);
        }
        // Records of version 0.1 hold the sum of an archive's own bytes.
        let bytes = File::open(&found.file).and_then(|file| sum_of(BufReader::new(file)));
        let bytes = bytes.map_err(unreadable(&found.file))?;
        Ok(self.sha256.as_ref() == Some(&bytes))
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

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read {
        path: path.clone(),
        source,
    }
}

/// The sum of a file's content. An archive that cannot be unpacked, which is told when it is read,
/// has that of its bytes.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP)
        && let Ok(packed) = Source::open(path)
        && let Ok(sum) = sum_of(BufReader::with_capacity(1 << 16, packed))
    {
        return Ok(sum);
    }
    sum_of(file)
}

fn sum_of(mut file: impl BufRead) -> io::Result<String> {
    let mut hasher = Sha256::new();
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
    /// `squad_preds.provenance.json`, and so has `squad_preds.json.gz`.
    pub fn path(predictions: &Path) -> PathBuf {
        let is_packed = predictions
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let plain = match is_packed {
            true => predictions.with_extension(""),
            false => predictions.to_owned(),
        };
        let stem = plain.file_stem().unwrap_or(OsStr::new("predictions"));
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
        if !record.predictions.is_of(predictions)? {
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
        // Under the old name too, once nothing but the archive is left.
        std::fs::remove_file(&predictions).unwrap();
        assert_eq!(read(&predictions).as_ref(), Some(&record));
        let found = FileDigest::of(&predictions).unwrap();
        assert_eq!(found.sha256, record.predictions.sha256);
        assert_eq!(found.file, packed);

        // What version 0.1 noted of an archive.
        let bytes = sum_of(archive.as_slice()).unwrap();
        assert_ne!(found.sha256.as_ref(), Some(&bytes));
        record.predictions.sha256 = Some(bytes);
        record.write(&predictions).unwrap();
        assert_eq!(read(&packed), Some(record));
        // Half an archive is other content, and no error here.
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

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("--set=a/b.json"), "--set=a/b.json");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
