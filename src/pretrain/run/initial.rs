//! The weights that a run begins with, unless it has a checkpoint.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::{Error, io_of};
use crate::{
    config::PretrainConfig,
    model::{folder::lies_in, parameters::StoredParameters},
    pretrain::model_files,
    progress::Progress,
};

/// The weights of the model that a run starts from.
#[derive(Default)]
pub(super) struct Initial {
    /// `None`: the run starts from new ones.
    pub stored: Option<StoredParameters>,
    pub identity: Option<String>,
    /// Where they are: as given, and the record's folder.
    places: Vec<PathBuf>,
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
        let scratch = folder.path().join("generator.bpk");
        let (found, stored) = model_files::open(path, &scratch, progress)?;
        Ok(Self {
            identity: Some(stored.identity()?),
            stored: Some(stored),
            places: vec![path.clone(), found.path],
            _folder: Some(folder),
        })
    }

    /// Refuses weights in the folder that starting over moves aside.
    ///
    /// # Errors
    /// If they are in `model_dir`.
    pub fn check_outside(&self, model_dir: &Path) -> Result<(), Error> {
        match self.places.iter().find(|place| lies_in(place, model_dir)) {
            Some(path) => Err(Error::OwnWeights {
                path: path.clone(),
                model_dir: model_dir.into(),
            }),
            None => Ok(()),
        }
    }
}
