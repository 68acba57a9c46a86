//! The weights that a run begins with, unless it has a checkpoint.

use std::path::Path;

use tempfile::TempDir;

use super::{Error, Pretraining, io_of};
use crate::{
    config::PretrainConfig, model::parameters::StoredParameters, pretrain::model_files,
    progress::Progress, train::course::agree_on,
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
}

impl Pretraining<'_> {
    /// The initial weights, after all ranks have compared what decides the training.
    ///
    /// # Errors
    /// If they cannot be read, or something is different in some rank.
    pub(super) fn agreed(&self) -> Result<Initial, Error> {
        let folder = tempfile::tempdir().map_err(io_of(std::env::temp_dir(), "writing"))?;
        let scratch = folder.path().join("generator.bpk");
        let initial = Initial::open(self.config, &scratch, self.progress)?;
        let hparams = self.identity(self.config, initial.identity.clone());
        agree_on(self.ranks, &self.compared(&hparams)?)?;
        Ok(Initial {
            _folder: Some(folder),
            ..initial
        })
    }
}
