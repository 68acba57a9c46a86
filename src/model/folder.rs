//! A folder given as a model: a Burn record, or a checkpoint of TensorFlow's or Hugging Face's that
//! is converted on first use.

use std::path::{Path, PathBuf};

use super::parameters;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{path}: neither a record (model.bpk) nor a TensorFlow checkpoint (checkpoint, *.index, a \
         prefix or a zip) nor a Hugging Face model (config.json with model.safetensors or \
         pytorch_model.bin); give the folder that electra_large.zip unpacks to, or the zip itself"
    )]
    NotAModel { path: PathBuf },
    #[error("{path}: converting the checkpoint failed: {source}")]
    Convert {
        path: PathBuf,
        source: checkpoints_convert::Error,
    },
    #[error("{path}: {reason}; convert the checkpoint again")]
    Config { path: PathBuf, reason: String },
    #[error(
        "the checkpoint has no parameter {parameter}, which evaluation needs; expected a fine-tuned \
         model with a head of this task (init_checkpoint, --checkpoint)"
    )]
    NoHead { parameter: String },
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
}

/// A folder that holds `model.bpk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolder {
    pub path: PathBuf,
    /// The checkpoint that was converted just now.
    pub converted_from: Option<PathBuf>,
}

/// Finds the record that `path` stands for, converting a checkpoint beside itself if need be.
///
/// A zip's record lies in a folder of the zip's name beside it, a prefix's in `<prefix>.record`, and
/// that of a Hugging Face folder, which has a `config.json` of its own, in its subfolder `record`.
pub fn find(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<ModelFolder, Error> {
    let found = |path: PathBuf| ModelFolder {
        path,
        converted_from: None,
    };
    if path.join("model.bpk").is_file() {
        return Ok(found(path.into()));
    }
    if !checkpoints_convert::is_checkpoint(path) {
        return Err(Error::NotAModel { path: path.into() });
    }
    let folder = if checkpoints_convert::is_hugging_face(path) && path.is_dir() {
        path.join("record")
    } else if path.is_dir() {
        path.to_path_buf()
    } else if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("zip"))
    {
        path.with_extension("")
    } else {
        let mut name = path.as_os_str().to_owned();
        name.push(".record");
        name.into()
    };
    if folder.join("model.bpk").is_file() {
        return Ok(found(folder));
    }
    checkpoints_convert::convert(path, &folder, progress).map_err(|source| Error::Convert {
        path: path.into(),
        source,
    })?;
    Ok(ModelFolder {
        path: folder,
        converted_from: Some(path.into()),
    })
}

/// Reads the architecture that `config.json` beside a record describes.
pub fn read_config(folder: &Path) -> Result<checkpoints_convert::RecordConfig, Error> {
    let path = folder.join("config.json");
    let error = |reason: String| Error::Config {
        path: path.clone(),
        reason,
    };
    let text = std::fs::read(&path).map_err(|e| error(e.to_string()))?;
    serde_json::from_slice(&text).map_err(|e| error(e.to_string()))
}
