//! The files of a pre-trained model: `model.bpk` in the form that fine-tuning reads, `generator.bpk` with
//! everything else, and the descriptions of both.

use std::path::{Path, PathBuf};

use checkpoints_convert::{
    CONFIG_FILE, Kept, RECORD_FILE, RecordConfig, TRAINED_POSITIONS, VOCABULARY_FILE,
    write_pretraining,
};
use serde_json::Value;
use tempfile::TempDir;

use super::networks::Networks;
use crate::{
    config::PretrainConfig,
    durable_file::write_whole,
    eval::{self, json_file::write_json},
    model::{
        folder::{self, Finder},
        parameters::StoredParameters,
        record::{self, WriteError, for_each_parameter, stored_tensor},
        shape::shape,
    },
    progress::Progress,
    user_cache,
};

/// The generator and the heads of pre-training.
pub use checkpoints_convert::GENERATOR_FILE;

/// Prefix of the parameters that fine-tuning starts from.
const ENCODER: &str = "electra.";

/// How the names of the other parameters start.
const BESIDE_ENCODER: [&str; 3] = [
    "generator",
    "discriminator_predictions.",
    "cloze_predictions.",
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] folder::Error),
    #[error(transparent)]
    Parameters(#[from] crate::model::parameters::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Description(#[from] eval::Error),
    #[error(
        "{folder}: no temporary folder can be made there: {source}; set TMPDIR to a folder with room"
    )]
    Temporary {
        folder: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path}: its generator cannot be converted into a temporary folder in {folder}: {source}; if that lacks \
         room, set TMPDIR to another folder, or convert the checkpoint first with --with-generator"
    )]
    Converted {
        path: PathBuf,
        folder: PathBuf,
        source: checkpoints_convert::Error,
    },
    #[error("{path}: {source}")]
    Convert {
        path: PathBuf,
        source: checkpoints_convert::Error,
    },
    #[error(
        "{path}: expected a model to continue from, found none; give a released zip or folder, or the \
         folder of another run with model.bpk, generator.bpk and config.json"
    )]
    NoModel { path: PathBuf },
    #[error(
        "{path}: expected a model with its generator, found no {GENERATOR_FILE} beside model.bpk \
         (fine-tuned models have none); give a run of pre-training or a released checkpoint as init_checkpoint, or convert one \
         with --with-generator"
    )]
    NoGenerator { path: PathBuf },
    #[error(
        "{path}: expected a model with {key} {ours}, found {theirs}; give the sizes that it was trained with \
         (--preset continue takes those of init_checkpoint)"
    )]
    Size {
        path: PathBuf,
        key: &'static str,
        theirs: usize,
        ours: usize,
    },
    #[error("{path}: writing failed: {source}; check the path and its permissions")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// How the text of the examples was tokenised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letters {
    pub lower_case: bool,
    pub strip_accents: Option<bool>,
}

/// Writes `config.json` and `vocab.txt`, which describe a run's checkpoints and its model;
/// `trained_positions` are unknown if `None`.
///
/// # Errors
/// If the vocabulary cannot be read or a file cannot be written.
pub fn describe(
    config: &PretrainConfig,
    letters: Letters,
    trained_positions: Option<usize>,
    model_dir: &Path,
) -> Result<(), Error> {
    let path = model_dir.join(CONFIG_FILE);
    let mut described = serde_json::to_value(RecordConfig {
        model: shape(&config.discriminator()),
        do_lower_case: letters.lower_case,
        strip_accents: letters.strip_accents,
        tokenize_chinese_chars: true,
        heads: Default::default(),
    })
    .unwrap_or_default();
    if let Some(positions) = trained_positions {
        described[TRAINED_POSITIONS] = positions.into();
    }
    described["pretraining"] = Value::from(config.hparams());
    write_json(&path, &described)?;
    let to = model_dir.join(VOCABULARY_FILE);
    let io = |path: &Path| {
        let path = path.to_path_buf();
        |source| Error::Io { path, source }
    };
    let vocabulary = std::fs::read(&config.vocab_file).map_err(io(&config.vocab_file))?;
    write_whole(&to, |out| out.write_all(&vocabulary)).map_err(io(&to))
}

/// Writes a pre-trained model; `model.bpk` comes last.
///
/// # Errors
/// If a file cannot be written, or the device fails.
pub fn save(
    networks: &Networks,
    config: &PretrainConfig,
    letters: Letters,
    trained_positions: Option<usize>,
    model_dir: &Path,
) -> Result<(), Error> {
    describe(config, letters, trained_positions, model_dir)?;
    let (mut encoder, mut others) = (Vec::new(), Vec::new());
    for_each_parameter(networks, &[], |parameter| {
        let tensor = stored_tensor(parameter.name, parameter.shape, parameter.value);
        match parameter.name.starts_with(ENCODER) {
            true => encoder.push(tensor),
            false => others.push(tensor),
        }
    });
    record::write(others, &model_dir.join(GENERATOR_FILE))?;
    record::write(encoder, &model_dir.join(RECORD_FILE))?;
    Ok(())
}

/// The parameters of all networks of a model, not yet loaded.
pub struct Opened {
    pub stored: StoredParameters,
    /// The folder of its record.
    pub folder: PathBuf,
    /// Has a generator that was converted; it must exist until the parameters have been taken.
    pub converted: Option<TempDir>,
}

/// Opens the model at `path`: a TensorFlow checkpoint or a folder with both records. What a checkpoint has
/// besides the encoder is converted into a temporary folder.
///
/// # Errors
/// If there is no model, it lacks its generator, or it cannot be converted.
pub fn open(path: &Path, progress: &Progress) -> Result<Opened, Error> {
    let found = Finder {
        home: None,
        cache: user_cache::folder(),
        note: &mut |line| progress.note(line),
        progress: &mut |_, _| {},
    }
    .find(path)?;
    let mut opened = Opened {
        stored: record::open(&found.path.join(RECORD_FILE))?,
        folder: found.path,
        converted: None,
    };
    let beside = opened.folder.join(GENERATOR_FILE);
    if beside.is_file() {
        opened.stored.join(record::open(&beside)?);
    } else if checkpoints_convert::is_checkpoint(path) {
        let folder = tempfile::tempdir().map_err(|source| Error::Temporary {
            folder: std::env::temp_dir(),
            source,
        })?;
        let file = folder.path().join(GENERATOR_FILE);
        let written = write_pretraining(path, Kept::Generator, &file);
        match written.map_err(|source| Error::Converted {
            path: path.into(),
            folder: std::env::temp_dir(),
            source,
        })? {
            0 => return Err(Error::NoGenerator { path: path.into() }),
            _ => opened.stored.join(record::open(&file)?),
        }
        opened.converted = Some(folder);
    } else if !opened
        .stored
        .tensors
        .keys()
        .any(|name| is_beside_encoder(name))
    {
        // A run's checkpoint has all networks in one record.
        return Err(Error::NoGenerator { path: path.into() });
    }
    Ok(opened)
}

/// Whether a parameter is the generator's or a pre-training head's.
fn is_beside_encoder(name: &str) -> bool {
    BESIDE_ENCODER.iter().any(|start| name.starts_with(start))
}
