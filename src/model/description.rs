//! What the checkpoint at a path says about itself, before it is converted or opened.

use std::path::{Path, PathBuf};

use checkpoints_convert::RecordConfig;
use serde_json::{Map, Value};

use super::folder::{self, Error};
use crate::config::{CheckpointFacts, Config, Vocabulary};

/// What the checkpoint at `path` says; `None` if there is none, or a record without `config.json`.
/// Nothing is converted and nothing written.
///
/// # Errors
/// A checkpoint that cannot be converted, a `config.json` that cannot be read.
pub fn describe(path: &Path) -> Result<Option<CheckpointFacts>, Error> {
    let is_record = path.join("model.bpk").is_file();
    let is_checkpoint = checkpoints_convert::is_checkpoint(path);
    if is_record && (!is_checkpoint || checkpoints_convert::is_fine_tuned(path)) {
        return describe_record(path);
    }
    if !is_checkpoint {
        return Ok(None);
    }
    let described = match checkpoints_convert::describe(path) {
        Ok(described) => described,
        // What is left of the checkpoint that a record was made of.
        Err(_) if is_record => return describe_record(path),
        Err(source) => {
            return Err(Error::Convert {
                path: path.into(),
                source,
            });
        }
    };
    let states_case = described.states_case;
    let case_files: Vec<PathBuf> = described.case_files.iter().map(PathBuf::from).collect();
    // A record that was made of what stands there now may have been corrected by hand. One that
    // cannot be read says nothing: it is made again of what is described here.
    let kept = folder::beside(path);
    let made_of = json(&kept.join("conversion.json"))["config"].clone();
    if kept.join("model.bpk").is_file()
        && made_of == serde_json::json!(described.config)
        && let Ok(Some(record)) = describe_record(&kept)
    {
        return Ok(Some(record.stated_by(
            &described.config,
            states_case,
            case_files,
        )));
    }
    let beside = path.join("vocab.txt");
    let vocabulary = described.vocabulary.map(|bytes| match beside.is_file() {
        true => Vocabulary {
            file: beside,
            is_file: true,
            bytes,
        },
        false => Vocabulary {
            file: path.into(),
            is_file: false,
            bytes,
        },
    });
    Ok(Some(CheckpointFacts {
        file: path.into(),
        record: described.config,
        states_case,
        case_files,
        vocabulary,
    }))
}

/// The folder that describes a record: its own, or that of the run which a checkpoint belongs to.
pub fn described_in(record: &Path) -> PathBuf {
    let is_step = record
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("checkpoint-"));
    match record.parent() {
        Some(run) if is_step && !record.join("config.json").is_file() => run.into(),
        _ => record.into(),
    }
}

/// What the record in a folder says, as [`describe`] has it, whatever else lies there.
///
/// # Errors
/// A `config.json` that cannot be read.
pub fn describe_record(path: &Path) -> Result<Option<CheckpointFacts>, Error> {
    let folder = described_in(path);
    let file = folder.join("config.json");
    let said = match file.is_file() {
        true => folder::config_file(&folder)?,
        false => None,
    };
    let Some(said) = said else {
        log::warn!(
            "{}: missing, so that nothing but hyper-parameters tells what the model beside it is",
            file.display()
        );
        return Ok(None);
    };
    let record = match said.is_fine_tuned() && !said.describes_model() {
        true => of_hparams(said.hparams(), &file)?,
        false => said.record().map_err(Error::from)?,
    };
    let states_case = !record.do_lower_case
        || record.strip_accents.is_some()
        || !record.tokenize_chinese_chars
        || said.is_fine_tuned()
        || json(&folder.join("conversion.json"))["source"]["kind"] == "hugging-face";
    let vocab = folder.join("vocab.txt");
    let vocabulary = std::fs::read(&vocab).ok().map(|bytes| Vocabulary {
        file: vocab,
        is_file: true,
        bytes,
    });
    Ok(Some(CheckpointFacts {
        case_files: vec![file.clone()],
        file,
        record,
        states_case,
        vocabulary,
    }))
}

/// What a run's hyper-parameters say of the model, if a `config.json` has nothing but them.
fn of_hparams(mut hparams: Map<String, Value>, file: &Path) -> Result<RecordConfig, Error> {
    let config = Config::from_json(&hparams).map_err(|source| Error::Hparams {
        path: file.into(),
        source,
    })?;
    hparams.insert("model".to_owned(), serde_json::json!(config.encoder()));
    serde_json::from_value(hparams.into()).map_err(|source| Error::Config {
        path: file.into(),
        reason: source.to_string(),
    })
}

/// A JSON file, null if there is none.
fn json(file: &Path) -> Value {
    let text = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(checkpoints_convert::without_mark(&text)).unwrap_or_default()
}
