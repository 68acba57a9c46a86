//! What an export is made of: a record's folder enters; its configuration, what a run wrote beside it, and
//! its vocabulary leave.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::Error;
use crate::config::RecordConfig;
use crate::config_file::ConfigFile;
use crate::plain_file;
use crate::record_files::VOCABULARY_FILE;
use crate::stored_record::{self, StoredRecord};

/// A vocabulary of 30,522 words has 232 kB.
const MAX_VOCABULARY_BYTES: u64 = 64 << 20;

/// A record's folder, read.
pub(super) struct Source {
    pub folder: PathBuf,
    pub config: RecordConfig,
    pub vocabulary: Vec<u8>,
    /// The whole of the file that `config` is from.
    file: ConfigFile,
    path: PathBuf,
}

impl Source {
    /// That of a record which was opened.
    ///
    /// # Errors
    /// A small file of it is missing or cannot be read.
    pub fn of(record: &StoredRecord, folder: &Path) -> Result<Self, Error> {
        let path = stored_record::config_of(folder);
        // The checkpoints of a run share the one of its folder, as they do the configuration.
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

    /// How errors call the configuration.
    pub fn display(&self) -> String {
        self.path.display().to_string()
    }

    /// The hyper-parameters of the run that trained the model; none of a record that was converted.
    pub fn settings(&self) -> Map<String, Value> {
        match self.file.is_fine_tuned() {
            true => self.file.hparams(),
            false => Map::new(),
        }
    }

    /// The hyper-parameters of the run that pre-trained the model; none of another.
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
