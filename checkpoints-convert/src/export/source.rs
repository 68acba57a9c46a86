//! The input of an export. Takes a record's folder; yields its configuration, what a run wrote beside it, and
//! its vocabulary.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::Error;
use crate::config::RecordConfig;
use crate::config_file::ConfigFile;
use crate::plain_file;
use crate::record_files::VOCABULARY_FILE;
use crate::stored_record::{self, StoredRecord};

/// A vocabulary of 30,522 tokens has 232 kB.
const MAX_VOCABULARY_BYTES: u64 = 64 << 20;

/// The contents of a record's folder.
pub(super) struct Source {
    pub folder: PathBuf,
    pub config: RecordConfig,
    pub vocabulary: Vec<u8>,
    /// The complete file that `config` comes from.
    file: ConfigFile,
    path: PathBuf,
}

impl Source {
    /// Reads the source of a record that was opened.
    ///
    /// # Errors
    /// If one of its small files is missing or cannot be read.
    pub fn of(record: &StoredRecord, folder: &Path) -> Result<Self, Error> {
        let path = stored_record::config_of(folder);
        // A run's checkpoints share the vocabulary and the configuration in its folder.
        let own = folder.join(VOCABULARY_FILE);
        let shared = path.with_file_name(VOCABULARY_FILE);
        let vocabulary = if own.exists() { own } else { shared };
        Ok(Self {
            folder: folder.into(),
            config: record.config.clone(),
            vocabulary: plain_file::read(&vocabulary, MAX_VOCABULARY_BYTES)?.ok_or_else(|| {
                Error::Vocabulary {
                    file: vocabulary.display().to_string(),
                }
            })?,
            file: ConfigFile::open(&path)?,
            path,
        })
    }

    /// The name of the configuration in errors.
    pub fn display(&self) -> String {
        self.path.display().to_string()
    }

    /// The hyper-parameters of the run that trained the model; empty for a converted record.
    pub fn settings(&self) -> Map<String, Value> {
        match self.file.is_fine_tuned() {
            true => self.file.hparams(),
            false => Map::new(),
        }
    }

    /// The hyper-parameters of the run that pre-trained the model; empty for others.
    pub fn pretraining(&self) -> Map<String, Value> {
        self.file.pretraining()
    }

    /// Whether the model was pre-trained as Electric, if that is known.
    pub fn is_electric(&self) -> Option<bool> {
        self.pretraining().get("electric_objective")?.as_bool()
    }

    /// The no-answer threshold, if the record has one.
    pub fn threshold(&self) -> Option<f64> {
        self.file.threshold()
    }
}
