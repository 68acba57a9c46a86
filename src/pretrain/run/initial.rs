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
    /// Opens them. A generator that has to be converted is kept in a temporary folder until this is dropped.
    ///
    /// # Errors
    /// If they cannot be read, or the folder cannot be made.
    pub fn open(config: &PretrainConfig, progress: &Progress) -> Result<Self, Error> {
        let Some(path) = &config.init_checkpoint else {
            return Ok(Self::default());
        };
        let folder = tempfile::tempdir().map_err(io_of(std::env::temp_dir(), "writing"))?;
        let stored = model_files::open(path, &folder.path().join("generator.bpk"), progress)?;
        Ok(Self {
            identity: Some(stored.identity()?),
            stored: Some(stored),
            _folder: Some(folder),
        })
    }
}

/// Refuses weights in the folder that starting over moves aside.
///
/// # Errors
/// If `init_checkpoint` is the run's own folder or lies in it.
pub(super) fn check_place(config: &PretrainConfig) -> Result<(), Error> {
    let canonical = |path: &Path| path.canonicalize().ok();
    let Some(path) = config.init_checkpoint.as_deref() else {
        return Ok(());
    };
    match (canonical(path), canonical(&config.model_dir)) {
        (Some(weights), Some(own)) if weights.starts_with(&own) => Err(Error::OwnWeights {
            path: path.into(),
            model_dir: config.model_dir.clone(),
        }),
        _ => Ok(()),
    }
}
