//! Why a path leads to no model.

use std::path::{Path, PathBuf};

use checkpoints_convert::ConfigError;

use crate::{config, model::parameters, step_record};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{path}: neither a record (model.bpk) nor a TensorFlow checkpoint (checkpoint, *.index, a \
         prefix or a zip) nor a Hugging Face model (config.json with model.safetensors or \
         pytorch_model.bin); give the folder that electra_large.zip unpacks to, or the zip itself"
    )]
    NotAModel { path: PathBuf },
    #[error("{path}: there is no such file or folder{gone}{hint}")]
    Missing {
        path: PathBuf,
        /// The folder along the path that is missing.
        gone: String,
        /// What the user may have meant.
        hint: String,
    },
    #[error("{path}: the folder itself contains no model; give {instead}")]
    OtherFolder { path: PathBuf, instead: String },
    #[error(
        "{path}: the run that trains this model has not ended, so there is no model yet; repeat the run's \
         command to end it, or give {instead}"
    )]
    Unfinished {
        path: PathBuf,
        /// Its newest checkpoint, in the form that the user would give.
        instead: String,
    },
    #[error(
        "{path}: a checkpoint of pre-training at step {step} of {steps}, expected {} in its run's folder, \
         which describes the model, found none; repeat the run's electra pretrain command, which writes the \
         file as it starts, or copy the config.json and vocab.txt of a run with the same sizes and \
         vocabulary there",
        config.display()
    )]
    Undescribed {
        path: PathBuf,
        step: u64,
        steps: u64,
        config: PathBuf,
    },
    #[error("{path}: a file of a record, and a record is a whole folder; give {folder}")]
    FileOfRecord { path: PathBuf, folder: PathBuf },
    #[error("{path}: converting the checkpoint failed: {source}")]
    Convert {
        path: PathBuf,
        source: checkpoints_convert::Error,
    },
    #[error(
        "{path}: there is no place for its record: nothing is written beside a checkpoint outside \
         DIR/models/NAME, and there is no cache folder; set XDG_CACHE_HOME, or convert the checkpoint first \
         with checkpoints-convert"
    )]
    NoCache { path: PathBuf },
    #[error(
        "{path}: its record cannot be kept in {folder}: {source}; set XDG_CACHE_HOME to a folder \
         with room, or convert the checkpoint first with checkpoints-convert"
    )]
    Cache {
        path: PathBuf,
        folder: PathBuf,
        source: checkpoints_convert::Error,
    },
    #[error(
        "{path}: model.bpk is not the record that conversion.json beside it describes; copy all \
         files of the record again, or convert the checkpoint again"
    )]
    Mixed { path: PathBuf },
    #[error(
        "{path}: vocab.txt is not the vocabulary that conversion.json beside it describes, and gives its \
         tokens other ids than the model expects; copy all files of the record again, or convert the \
         checkpoint again with this vocab.txt beside it"
    )]
    OtherVocabulary { path: PathBuf },
    #[error(
        "{path}: expected the description of a model: {reason}; {}",
        given_back_by(path)
    )]
    Config { path: PathBuf, reason: String },
    #[error(transparent)]
    ConfigFile(ConfigError),
    #[error("{path}: {source}")]
    Hparams {
        path: PathBuf,
        source: config::Error,
    },
    #[error(
        "the checkpoint has no parameter {parameter}, which evaluation needs; expected a fine-tuned \
         model with a head of this task (init_checkpoint, --checkpoint)"
    )]
    NoHead { parameter: String },
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Parse { file, source } => Self::Config {
                path: file.into(),
                reason: source.to_string(),
            },
            error => Self::ConfigFile(error),
        }
    }
}

/// The logs of the runs that write a `config.json`: fine-tuning's and pre-training's.
const LOGS: [&str; 2] = [step_record::FILE, "pretrain_log.jsonl"];

/// What gives a damaged `config.json` back, by what lies beside it.
fn given_back_by(file: &Path) -> &'static str {
    let folder = file.parent().unwrap_or(Path::new(""));
    let has_log = |folder: &Path| LOGS.iter().any(|log| folder.join(log).is_file());
    // The best weights of a run lie below its folder.
    let is_of_run = has_log(folder) || folder.parent().is_some_and(has_log);
    if folder.join("conversion.json").is_file() {
        "convert the checkpoint again"
    } else if is_of_run {
        "start the run again with its own command, which writes the file anew"
    } else {
        "copy the model's folder again, or make it again: train, or convert a checkpoint"
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::model::folder::config_file;

    #[test]
    fn a_broken_description_is_given_back_by_what_made_it() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for (name, file, advice) in [
            ("run", "train_log.jsonl", "start the run again"),
            ("pretrained", "pretrain_log.jsonl", "start the run again"),
            ("record", "conversion.json", "convert the checkpoint again"),
            ("copy", "vocab.txt", "copy the model's folder again"),
            ("run/best", "vocab.txt", "start the run again"),
        ] {
            let folder = path(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), "").unwrap();
            fs::write(folder.join("config.json"), "{").unwrap();
            let said = config_file(&folder).unwrap_err().to_string();
            let file = folder.join("config.json").display().to_string();
            assert!(
                said.starts_with(&format!(
                    "{file}: expected the description of a model: EOF "
                )),
                "{said}"
            );
            assert!(said.contains(&format!("; {advice}")), "{said}");
        }
    }
}
