//! The whole `config.json` beside a record, as both programs write it. It describes the model
//! ([`RecordConfig`]) and, once one has been chosen, its no-answer threshold; for a fine-tuned
//! model it also holds the hyper-parameters of the run. Unknown keys are preserved in place.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::config::{Error, RecordConfig};
use crate::plain_file;
use crate::record_files::CONFIG_FILE;

/// Keys that are never hyper-parameters: the model, its heads, and how its threshold was chosen.
const DESCRIPTION: [&str; 3] = [MODEL, HEADS, CALIBRATION];
const MODEL: &str = "model";
const HEADS: &str = "heads";
/// The hyper-parameters of the run that pre-trained the model.
const PRETRAINING: &str = "pretraining";
/// How many positions pre-training has trained.
pub const TRAINED_POSITIONS: &str = "trained_positions";
/// Only a run has it.
const TASKS: &str = "task_names";
/// The no-answer threshold.
pub const THRESHOLD: &str = "qa_na_threshold";
/// How the threshold was chosen.
pub const CALIBRATION: &str = "calibration";

/// The file of a fine-tuned model has about 4 kB.
const MAX_BYTES: u64 = 1 << 20;

/// The content of a `config.json`, with its keys in order.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    file: PathBuf,
    keys: Map<String, Value>,
    /// The original text, so that errors can give a position in it.
    text: Vec<u8>,
}

impl ConfigFile {
    /// Reads `file`; returns `None` if it does not exist.
    ///
    /// # Errors
    /// If it is not readable, or not a JSON object.
    pub fn read(file: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = plain_file::read(file, MAX_BYTES)? else {
            return Ok(None);
        };
        let text = plain_file::without_mark(&text).to_vec();
        match serde_json::from_slice(&text) {
            Ok(keys) => Ok(Some(Self {
                file: file.into(),
                keys,
                text,
            })),
            // JSON that is not an object is reported as a wrong description.
            Err(source) => Err(Error::Parse {
                file: file.display().to_string(),
                source: record(&text).err().unwrap_or(source),
            }),
        }
    }

    /// Reads a file that must exist; otherwise as [`read`](Self::read).
    ///
    /// # Errors
    /// If it is missing, not readable, or not a JSON object.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let missing = || plain_file::Error::Missing {
            file: file.display().to_string(),
        };
        Ok(Self::read(file)?.ok_or_else(missing)?)
    }

    /// Builds the file of a model that a run with these hyper-parameters trained.
    pub fn of_run(mut hparams: Map<String, Value>, model: Value, heads: Value) -> Self {
        hparams.insert(MODEL.to_owned(), model);
        hparams.insert(HEADS.to_owned(), heads);
        Self {
            file: CONFIG_FILE.into(),
            text: Value::from(hparams.clone()).to_string().into_bytes(),
            keys: hparams,
        }
    }

    /// Returns the description of the model.
    ///
    /// # Errors
    /// If a size is missing or has the wrong type.
    pub fn record(&self) -> Result<RecordConfig, Error> {
        record(&self.text).map_err(|source| Error::Parse {
            file: self.file.display().to_string(),
            source,
        })
    }

    /// Returns whether it describes a model; a file with only hyper-parameters does not.
    pub fn describes_model(&self) -> bool {
        self.keys.contains_key(MODEL)
    }

    /// Returns whether it belongs to a model that `electra finetune` trained.
    pub fn is_fine_tuned(&self) -> bool {
        self.keys.contains_key(TASKS)
    }

    /// Returns the hyper-parameters of the run that trained the model; for a record that was only
    /// converted, the threshold, if one was chosen for it.
    pub fn hparams(&self) -> Map<String, Value> {
        let mut hparams = self.keys.clone();
        match self.is_fine_tuned() {
            true => hparams.retain(|key, _| !DESCRIPTION.contains(&key.as_str())),
            false => hparams.retain(|key, _| key == THRESHOLD),
        }
        hparams
    }

    /// The hyper-parameters of the run that pre-trained the model; none of another.
    pub fn pretraining(&self) -> Map<String, Value> {
        let hparams = self.keys.get(PRETRAINING).and_then(Value::as_object);
        hparams.cloned().unwrap_or_default()
    }

    /// How many positions pre-training has trained, if the file says so; the embeddings of further ones are
    /// as they were initialised.
    pub fn trained_positions(&self) -> Option<usize> {
        let positions = self.keys.get(TRAINED_POSITIONS)?.as_u64()?;
        positions.try_into().ok()
    }

    /// The threshold that was chosen after the conversion, and how it was.
    pub fn calibration(&self) -> Map<String, Value> {
        let mut values = self.keys.clone();
        values.retain(|key, _| [THRESHOLD, CALIBRATION].contains(&key.as_str()));
        values
    }

    /// Returns the threshold, if there is one.
    pub fn threshold(&self) -> Option<f64> {
        self.keys.get(THRESHOLD).and_then(Value::as_f64)
    }

    /// Sets the model's threshold.
    pub fn set_threshold(&mut self, threshold: f64) {
        self.keys.insert(THRESHOLD.to_owned(), threshold.into());
    }

    /// Sets the model's threshold and records how it was chosen.
    pub fn calibrate(&mut self, threshold: f64, how: Value) {
        self.set_threshold(threshold);
        self.keys.insert(CALIBRATION.to_owned(), how);
    }
}

impl RecordConfig {
    /// Reads the description of a record from the `config.json` at `file`.
    ///
    /// # Errors
    /// If it is missing or not JSON, or if a size is missing.
    pub fn read(file: &Path) -> Result<Self, Error> {
        ConfigFile::open(file)?.record()
    }
}

impl Serialize for ConfigFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.keys.serialize(serializer)
    }
}

fn record(text: &[u8]) -> serde_json::Result<RecordConfig> {
    serde_json::from_slice(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<ConfigFile, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        ConfigFile::read(&file).map(Option::unwrap)
    }

    #[test]
    fn a_run_s_file_holds_its_hyper_parameters_beside_the_model() {
        let text =
            r#"{"seed": 7, "task_names": ["squad"], "model": {}, "heads": {}, "calibration": 1}"#;
        let config = read(text).unwrap();
        assert!(config.is_fine_tuned() && config.describes_model());
        assert_eq!(
            Value::from(config.hparams()),
            json!({"seed": 7, "task_names": ["squad"]})
        );
    }

    #[test]
    fn a_converted_record_s_file_has_its_threshold_alone() {
        let config = read(r#"{"model": {}, "do_lower_case": true, "qa_na_threshold": -1.5}"#);
        let mut config = config.unwrap();
        assert!(!config.is_fine_tuned());
        assert_eq!(
            Value::from(config.hparams()),
            json!({"qa_na_threshold": -1.5})
        );
        config.set_threshold(2.0);
        assert_eq!(json!(config)["qa_na_threshold"], 2.0);
        assert_eq!(json!(config)["do_lower_case"], true);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            (
                "[[[]]]",
                "invalid type: sequence, expected usize at line 1 column",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("config.json: "), "{error}");
        }
        let error = read("\u{feff}{}")
            .unwrap()
            .record()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("missing field `model` at line 1 column 2"),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        assert!(
            ConfigFile::read(&folder.path().join("config.json"))
                .unwrap()
                .is_none()
        );
    }
}
