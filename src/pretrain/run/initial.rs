//! The weights that a run begins with, unless it has a checkpoint.

use std::path::Path;

use tempfile::TempDir;

use super::error::{Error, io_of};
use crate::{
    config::PretrainConfig, model::parameters::StoredParameters, pretrain::model_files,
    progress::Progress,
};

/// The weights of the model that a run starts from.
#[derive(Default)]
pub(super) struct Initial {
    /// `None`: the run starts from new ones.
    pub stored: Option<StoredParameters>,
    pub identity: Option<String>,
    /// Has a converted generator.
    _folder: Option<TempDir>,
}

impl Initial {
    /// Opens them; a generator that has to be converted is written to `scratch`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(
        config: &PretrainConfig,
        scratch: &Path,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let Some(path) = &config.init_checkpoint else {
            return Ok(Self::default());
        };
        let stored = model_files::open(path, scratch, progress)?;
        Ok(Self {
            identity: Some(stored.identity()?),
            stored: Some(stored),
            _folder: None,
        })
    }

    /// The same, with a folder of its own for the converted generator.
    ///
    /// # Errors
    /// If they cannot be read, or the folder cannot be made.
    pub fn open_apart(config: &PretrainConfig, progress: &Progress) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(io_of(std::env::temp_dir(), "writing"))?;
        let initial = Self::open(config, &folder.path().join("generator.bpk"), progress)?;
        Ok(Self {
            _folder: Some(folder),
            ..initial
        })
    }
}
