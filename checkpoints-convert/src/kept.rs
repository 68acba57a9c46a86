//! A record from an earlier conversion: checks whether it is intact, and what it was made of. A
//! record is tied to a checkpoint's content, not to its location.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::config::RecordConfig;
use crate::config_file::{ConfigFile, THRESHOLD};
use crate::content::{self, Content, Weight};
use crate::hugging_face;
use crate::pack;
use crate::plain_file;
use crate::record_files::{CONFIG_FILE, RECORD_FILE, REPORT_FILE, VOCABULARY_FILE};
use crate::staging::json;
use crate::vocabulary;

/// A vocabulary of 30,522 words has 232 kB, a report of 785 variables 300 kB.
const MAX_BYTES: u64 = 64 << 20;

/// What `conversion.json` must contain for a record to be reused.
#[derive(Deserialize)]
struct Report {
    producer: String,
    config: RecordConfig,
    #[serde(default)]
    threshold: Option<f64>,
    variables: Vec<Variable>,
    #[serde(default)]
    source: Source,
    /// Missing in files of version 0.1.
    #[serde(default)]
    record: Option<String>,
}

#[derive(Default, Deserialize)]
struct Source {
    #[serde(default)]
    path: PathBuf,
    /// Missing in files of version 0.1.
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    shape: Vec<u64>,
    dtype: String,
    #[serde(default)]
    crc32c: Option<String>,
    #[serde(default)]
    parameter: Option<String>,
}

/// Whether the files of an earlier conversion match each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptState {
    /// `model.bpk` is the one that `conversion.json` describes.
    Whole,
    /// `model.bpk` is a different one.
    Other,
    /// `vocab.txt` has different tokens from the one that `conversion.json` describes, or in
    /// another order.
    OtherVocabulary,
    /// `model.bpk`, or one of the small files beside it, cannot be read.
    Damaged,
}

/// The record of an earlier conversion.
pub struct KeptRecord {
    folder: PathBuf,
    report: Report,
}

impl KeptRecord {
    /// Opens the record in `folder`. Returns `None` if there is none or its origin is unknown: a
    /// fine-tuned model, or a record without `conversion.json`.
    pub fn open(folder: &Path) -> Option<Self> {
        if !folder.join(RECORD_FILE).is_file() || is_fine_tuned(folder) {
            return None;
        }
        let report = report(folder)?;
        Some(Self {
            folder: folder.into(),
            report,
        })
    }

    /// Returns the path of the weights file.
    pub fn weights_file(&self) -> PathBuf {
        self.folder.join(RECORD_FILE)
    }

    /// Returns the identity of the weights in `conversion.json`; version 0.1 did not write it.
    pub fn identity(&self) -> Option<&str> {
        self.report.record.as_deref()
    }

    /// Returns whether every value in `model.bpk` is the one that was written: reads them all and
    /// compares their checksums, if there are any.
    pub fn has_whole_values(&self) -> bool {
        let Ok(pack) = pack::open(&self.weights_file()) else {
            return false;
        };
        pack.checksums.is_none() || pack.tensors.iter().all(|tensor| tensor.to_bytes().is_ok())
    }

    /// Compares the files with `conversion.json`; reads no values.
    pub fn state(&self) -> KeptState {
        let Ok(pack) = pack::open(&self.weights_file()) else {
            return KeptState::Damaged;
        };
        let is_described = match &self.report.record {
            Some(identity) => pack.identity().as_ref() == Some(identity),
            // Version 0.1 wrote neither.
            None => pack.checksums.is_none() && is_ours(pack.producer.as_deref()),
        };
        if !is_described {
            return KeptState::Other;
        }
        if RecordConfig::read(&self.folder.join(CONFIG_FILE)).is_err() {
            return KeptState::Damaged;
        }
        let made_of = self.report.source.content.as_ref();
        match made_of.and_then(|content| content.vocabulary.as_deref()) {
            Some(digest) => self.vocabulary_state(digest),
            None => KeptState::Whole,
        }
    }

    /// Compares `vocab.txt` with the digest of the one that was written.
    fn vocabulary_state(&self, digest: &str) -> KeptState {
        let Some(bytes) = read(&self.folder.join(VOCABULARY_FILE)) else {
            return KeptState::Damaged;
        };
        if content::vocabulary(&bytes) == digest {
            return KeptState::Whole;
        }
        // A file that is not a usable vocabulary gets its error where it is read.
        if !vocabulary::is_usable(&bytes, self.report.config.model.vocab_size) {
            return KeptState::Damaged;
        }
        match vocabulary::is_edited(&bytes, |bytes| content::vocabulary(bytes) == digest) {
            true => KeptState::Whole,
            false => KeptState::OtherVocabulary,
        }
    }

    /// Returns what the record was made of, which equals the content of the same checkpoint. For a
    /// record of version 0.1, it is computed from the variables in `conversion.json` and the
    /// vocabulary in the folder.
    pub fn content(&self) -> Content {
        let report = &self.report;
        let used = report.variables.iter().filter(|v| v.parameter.is_some());
        let weights = content::weights(used.map(|variable| Weight {
            name: &variable.name,
            shape: &variable.shape,
            dtype: &variable.dtype,
            crc32c: variable.crc32c.as_deref().unwrap_or_default(),
        }));
        let vocabulary = match &report.source.content {
            Some(content) => content.vocabulary.clone(),
            None => {
                read(&self.folder.join(VOCABULARY_FILE)).map(|bytes| content::vocabulary(&bytes))
            }
        };
        Content::new(weights, &report.config, vocabulary, report.threshold)
    }
}

/// Returns whether a record may be written into `folder`, that is, it would replace only files that
/// a conversion made.
pub fn takes_record(folder: &Path) -> bool {
    !hugging_face::has_config(folder) && foreign(folder, None).is_none()
}

/// Returns the first file in `folder` that a conversion would replace but did not make, and why it
/// must stay; `None` if there is no such file.
///
/// A damaged record may be replaced, since converting again repairs it.
pub(crate) fn foreign(folder: &Path, vocabulary: Option<&[u8]>) -> Option<(PathBuf, &'static str)> {
    let [record, config, report_file, vocabulary_file] =
        [RECORD_FILE, CONFIG_FILE, REPORT_FILE, VOCABULARY_FILE].map(|name| folder.join(name));
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    if is_fine_tuned(folder) {
        return Some((config, "belongs to a fine-tuned model"));
    }
    let is_ours = pack::open(&record)
        .ok()
        .map(|pack| is_ours(pack.producer.as_deref()));
    if is_ours == Some(false) {
        return Some((record, "was not made by a conversion"));
    }
    if is_ours == Some(true) || report(folder).is_some() {
        return None;
    }
    let unknown = "was not made by a conversion, as far as conversion.json beside it tells";
    for path in [record, report_file] {
        if is_there(&path) {
            return Some((path, unknown));
        }
    }
    if is_there(&config) {
        // Left behind by a conversion that was killed while its files were being moved into place.
        return (!is_converted_config(&config)).then_some((config, unknown));
    }
    let is_other = |bytes: &[u8]| {
        is_there(&vocabulary_file) && read(&vocabulary_file).is_none_or(|there| there != bytes)
    };
    if vocabulary.is_some_and(is_other) {
        return Some((vocabulary_file, "is not the vocabulary of this checkpoint"));
    }
    None
}

/// Returns the bytes of a file that should be small; `None` if it cannot be read.
pub(crate) fn read(path: &Path) -> Option<Vec<u8>> {
    plain_file::read(path, MAX_BYTES).ok().flatten()
}

/// Reads the `conversion.json` of a conversion by this program.
fn report(folder: &Path) -> Option<Report> {
    let text = read(&folder.join(REPORT_FILE))?;
    let report: Report = serde_json::from_slice(plain_file::without_mark(&text)).ok()?;
    is_ours(Some(&report.producer)).then_some(report)
}

fn is_ours(producer: Option<&str>) -> bool {
    producer.is_some_and(|producer| producer.starts_with(env!("CARGO_PKG_NAME")))
}

/// Returns whether the file is, byte for byte, what a conversion writes.
fn is_converted_config(path: &Path) -> bool {
    let Ok(Some(file)) = ConfigFile::read(path) else {
        return false;
    };
    let (Ok(config), threshold) = (file.record(), file.threshold()) else {
        return false;
    };
    let Ok(Value::Object(mut keys)) = serde_json::to_value(&config) else {
        return false;
    };
    // The threshold that the checkpoint brings.
    keys.extend(threshold.map(|threshold| (THRESHOLD.to_owned(), threshold.into())));
    read(path).is_some_and(|text| text == json(&keys))
}

/// Returns whether the record in `folder` was converted from the file `source`; false for a
/// fine-tuned model.
///
/// `conversion.json` has the path as it was given then. If that no longer exists, because the data
/// or the working directory has changed, the end of the path is compared.
pub fn is_made_of(folder: &Path, source: &Path) -> bool {
    let Some(kept) = KeptRecord::open(folder) else {
        return false;
    };
    let told = kept.report.source.path;
    let (Ok(source), false) = (source.canonicalize(), told.as_os_str().is_empty()) else {
        return false;
    };
    match told.canonicalize() {
        Ok(told) => told == source,
        Err(_) if told.is_absolute() => {
            let end = |path: &Path| {
                let parent = path.parent().and_then(Path::file_name);
                (
                    parent.map(ToOwned::to_owned),
                    path.file_name().map(ToOwned::to_owned),
                )
            };
            end(&told) == end(&source)
        }
        Err(_) => source.ends_with(told.strip_prefix(".").unwrap_or(&told)),
    }
}

/// Returns whether `config.json` in `folder` belongs to a model that `electra finetune` trained; a
/// file that cannot be read is reported where it is needed.
pub fn is_fine_tuned(folder: &Path) -> bool {
    let config = ConfigFile::read(&folder.join(CONFIG_FILE));
    config.is_ok_and(|config| config.is_some_and(|config| config.is_fine_tuned()))
}
