//! What a checkpoint says about itself, before it is converted or opened.

use std::path::{Path, PathBuf};

use checkpoints_convert::RecordConfig;
use serde_json::{Map, Value};

use super::folder::{self, Error};
use crate::config::{CheckpointFacts, Config, Vocabulary};

/// Returns what the checkpoint at `path` says about itself, or `None` if there is none, or only a
/// record without `config.json`. Converts and writes nothing.
///
/// # Errors
/// If a checkpoint cannot be converted or a `config.json` cannot be read.
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
        // Remains of the checkpoint from which a record was made.
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
    // A record made from exactly this checkpoint may since have been corrected by hand, so it takes
    // precedence. If it cannot be read, it has no say: it will be made again from what is described
    // here.
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

/// Returns the folder that describes a record: its own, or that of the run to which a checkpoint
/// belongs.
pub fn described_in(record: &Path) -> PathBuf {
    let is_step = record
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("checkpoint-"));
    match record.parent() {
        Some(run) if is_step && !record.join("config.json").is_file() => run.into(),
        _ => record.into(),
    }
}

/// Returns how many positions the pre-training of the model at `path` has trained, if its description says
/// so.
pub fn trained_positions(path: &Path) -> Option<usize> {
    // What cannot be read is reported where it matters.
    let described = folder::config_file(&described_in(path)).ok()?;
    described?.trained_positions()
}

/// Returns what the record in a folder says, as [`describe`] does, whatever else is in the folder.
///
/// # Errors
/// If a `config.json` cannot be read.
pub fn describe_record(path: &Path) -> Result<Option<CheckpointFacts>, Error> {
    let folder = described_in(path);
    let file = folder.join("config.json");
    let said = match file.is_file() {
        true => folder::config_file(&folder)?,
        false => None,
    };
    let Some(said) = said else {
        // Hyper-parameters describe a network to fine-tune, but not one that pre-training has made.
        let state = json(&path.join("state.json"));
        if state["hparams"]["pretraining"].is_object() {
            let number = |key: &str| state[key].as_u64().unwrap_or_default();
            return Err(Error::Undescribed {
                path: path.into(),
                step: number("step"),
                steps: number("steps"),
                config: file,
            });
        }
        log::warn!(
            "{}: missing; without it only hyper-parameters describe the model beside it",
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

/// Derives the model's configuration from a run's hyper-parameters, for a `config.json` that has
/// nothing else.
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

/// Reads a JSON file; null if there is none.
fn json(file: &Path) -> Value {
    let text = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(checkpoints_convert::without_mark(&text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_checkpoint_of_pre_training_is_described_by_its_run_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let step = folder.path().join("checkpoint-4");
        fs::create_dir(&step).unwrap();
        fs::write(step.join("model.bpk"), "").unwrap();
        let state = |hparams: &str| {
            let state = format!(r#"{{"step": 4, "steps": 6, "hparams": {hparams}}}"#);
            fs::write(step.join("state.json"), state).unwrap();
        };
        state(r#"{"learning_rate": 1e-4}"#);
        // Hyper-parameters describe the model of a fine-tuning run.
        assert!(describe(&step).unwrap().is_none());

        state(r#"{"pretraining": {"learning_rate": 1e-4}}"#);
        let message = describe(&step).unwrap_err().to_string();
        let config = folder.path().join("config.json");
        assert_eq!(
            message,
            format!(
                "{}: a checkpoint of pre-training at step 4 of 6, expected {} in its run's folder, which \
                 describes the model, found none; repeat the run's electra pretrain command, which writes the \
                 file as it starts, or copy the config.json and vocab.txt of a run with the same sizes and \
                 vocabulary there",
                step.display(),
                config.display()
            )
        );

        let described = serde_json::json!({
            "do_lower_case": false,
            "model": {
                "vocab_size": 9, "embedding_size": 8, "hidden_size": 8, "num_hidden_layers": 1,
                "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": 16,
                "type_vocab_size": 2,
            },
        });
        fs::write(&config, described.to_string()).unwrap();
        fs::write(folder.path().join("vocab.txt"), "[PAD]\n").unwrap();
        let facts = describe(&step).unwrap().unwrap();
        assert_eq!((facts.file, facts.record.do_lower_case), (config, false));
        let vocabulary = facts.vocabulary.unwrap();
        assert_eq!(vocabulary.file, folder.path().join("vocab.txt"));
        assert_eq!(vocabulary.bytes, b"[PAD]\n");
    }
}
