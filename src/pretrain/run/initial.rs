//! The weights that a run begins with, unless it has a checkpoint.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::Error;
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
    _converted: Option<TempDir>,
}

impl Initial {
    /// Opens them.
    ///
    /// # Errors
    /// If they cannot be read, or a generator cannot be converted.
    pub fn open(config: &PretrainConfig, progress: &Progress) -> Result<Self, Error> {
        let Some(path) = &config.init_checkpoint else {
            return Ok(Self::default());
        };
        let opened = model_files::open(path, progress)?;
        Ok(Self {
            identity: Some(opened.stored.identity()?),
            stored: Some(opened.stored),
            places: vec![path.clone(), opened.folder],
            _converted: opened.converted,
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
