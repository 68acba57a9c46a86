//! Checkpoints: weights, moments and the place in the data, written beside and renamed.
//!
//! `checkpoint-<step>/` holds `model.bpk`, `optimizer.bpk` and `state.json`; `<step>` is the
//! number of finished steps. A folder without `state.json`, which is written last and knows the
//! checksums of the others, is not a checkpoint.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{adam::Adam, checksum::Checksum, loss_scale::LossScale};
use crate::config::{Config, hparam};
use crate::durable_file::{sync_folder, write_whole};
use crate::model::{
    QuestionAnsweringModel,
    parameters::{self, StoredParameters},
    record,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {action} failed: {source}; free space or choose another model_dir")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error(transparent)]
    Write(#[from] record::WriteError),
    #[error(
        "{path} was made with other hyper-parameters ({keys}); start with those again, or give \
         --restart to train anew"
    )]
    OtherRun { path: PathBuf, keys: String },
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Finished steps.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Hyper-parameters that decide the run's numbers.
    pub hparams: Value,
    /// Where the loss is scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
    /// The records beside the state; filled when it is saved.
    #[serde(default)]
    pub files: BTreeMap<String, Checksum>,
}

const RECORDS: [&str; 2] = ["model.bpk", "optimizer.bpk"];

/// Makes a checkpoint. It takes the place of one of the same step only once it is whole; an
/// attempt that fails leaves nothing, an interrupted one a `.tmp` or `.old` folder, which the next
/// removes.
pub fn save(
    model_dir: &Path,
    model: &QuestionAnsweringModel,
    tasks: &[String],
    adam: &Adam,
    state: &State,
) -> Result<PathBuf, Error> {
    let folder = model_dir.join(format!("checkpoint-{}", state.step));
    let scratch = model_dir.join(format!("checkpoint-{}.tmp", state.step));
    let replaced = model_dir.join(format!("checkpoint-{}.old", state.step));
    for old in [&scratch, &replaced] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(io("removing", old))?;
        }
    }
    if let Err(error) = write(&scratch, model, tasks, adam, state) {
        // What is half written would only hold the space that is lacking.
        if let Err(error) = fs::remove_dir_all(&scratch) {
            log::warn!("{}: not removed: {error}", scratch.display());
        }
        return Err(error);
    }
    if folder.exists() {
        fs::rename(&folder, &replaced).map_err(io("renaming", &folder))?;
    }
    fs::rename(&scratch, &folder).map_err(io("renaming", &scratch))?;
    sync_folder(model_dir).map_err(io("syncing", model_dir))?;
    if replaced.exists() {
        fs::remove_dir_all(&replaced).map_err(io("removing", &replaced))?;
    }
    Ok(folder)
}

/// Writes a checkpoint's files into `folder`.
fn write(
    folder: &Path,
    model: &QuestionAnsweringModel,
    tasks: &[String],
    adam: &Adam,
    state: &State,
) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(io("creating", folder))?;
    record::save(model, tasks, &folder.join("model.bpk"))?;
    record::write(adam.stored(), &folder.join("optimizer.bpk"))?;
    let mut state = state.clone();
    for name in RECORDS {
        let path = folder.join(name);
        let sum = Checksum::of(&path).map_err(io("reading", &path))?;
        state.files.insert(name.into(), sum);
    }
    let state_file = folder.join("state.json");
    write_whole(&state_file, |out| {
        Ok(serde_json::to_writer_pretty(out, &state)?)
    })
    .map_err(io("writing", &state_file))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        path,
        action,
        source,
    }
}

/// The run's checkpoints, oldest first.
pub fn list(model_dir: &Path) -> Vec<(u64, PathBuf)> {
    let mut found: Vec<(u64, PathBuf)> = fs::read_dir(model_dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let step = entry
                .file_name()
                .to_str()?
                .strip_prefix("checkpoint-")?
                .parse()
                .ok()?;
            let path = entry.path();
            path.join("state.json").is_file().then_some((step, path))
        })
        .collect();
    found.sort();
    found
}

/// Deletes the oldest checkpoints beyond `keep`.
pub fn prune(model_dir: &Path, keep: usize) -> Result<(), Error> {
    let found = list(model_dir);
    for (_, path) in &found[..found.len().saturating_sub(keep.max(1))] {
        fs::remove_dir_all(path).map_err(io("removing", path))?;
    }
    Ok(())
}

/// The newest checkpoint that is whole, with its state. A damaged one is reported through `note`,
/// moved out of the way and kept.
pub fn newest(
    model_dir: &Path,
    note: &mut dyn FnMut(String),
) -> Result<Option<(PathBuf, State)>, Error> {
    for (_, folder) in list(model_dir).into_iter().rev() {
        match whole(&folder) {
            Ok(state) => return Ok(Some((folder, state))),
            Err(damage) => {
                let aside = folder.with_extension("damaged");
                note(format!(
                    "{}: {damage}; passed over and kept as {}",
                    folder.display(),
                    aside.display()
                ));
                fs::rename(&folder, &aside).map_err(io("moving aside", &folder))?;
            }
        }
    }
    Ok(None)
}

/// A checkpoint's state, after comparing its records with their checksums.
fn whole(folder: &Path) -> Result<State, String> {
    let text = fs::read(folder.join("state.json")).map_err(|e| format!("state.json: {e}"))?;
    let state: State =
        serde_json::from_slice(&text).map_err(|e| format!("state.json is damaged: {e}"))?;
    for name in RECORDS {
        let expected = state
            .files
            .get(name)
            .ok_or_else(|| format!("state.json does not know {name}"))?;
        let found = Checksum::of(&folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
        if found.bytes != expected.bytes {
            return Err(format!(
                "{name} has {} bytes instead of {}",
                found.bytes, expected.bytes
            ));
        }
        if found != *expected {
            return Err(format!("{name} is damaged: its checksum differs"));
        }
    }
    Ok(state)
}

/// Opens the records of a checkpoint, after checking that it belongs to a run with these
/// hyper-parameters.
pub fn open(
    folder: &Path,
    state: &State,
    hparams: &Value,
) -> Result<(StoredParameters, StoredParameters), Error> {
    let keys = differing_keys(&state.hparams, hparams);
    if !keys.is_empty() {
        return Err(Error::OtherRun {
            path: folder.into(),
            keys: keys.join(", "),
        });
    }
    let model = record::open(&folder.join("model.bpk"))?;
    let optimizer = record::open(&folder.join("optimizer.bpk"))?;
    Ok((model, optimizer))
}

/// `key: theirs, now ours` for every key that decides training and whose values differ. A key that
/// theirs lacks had its default: an older version did not know it. Older versions also kept keys
/// that decide nothing, and those that give the model's shape instead of the shape.
fn differing_keys(theirs: &Value, ours: &Value) -> Vec<String> {
    let defaults: BTreeMap<String, Value> = hparam::list()
        .into_iter()
        .map(|row| (row.key, row.default))
        .collect();
    let mut theirs = theirs.as_object().cloned().unwrap_or_default();
    if !theirs.contains_key("model")
        && let Some(model) = model_of(&theirs)
    {
        theirs.insert("model".to_owned(), model);
    }
    theirs.retain(|key, _| {
        hparam::decides(key).is_none_or(|decides| decides == hparam::Decides::Training)
    });
    let theirs = flat(&theirs);
    let ours = ours.as_object().map(flat).unwrap_or_default();
    let mut keys: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| theirs.get(*key).or(defaults.get(*key)) != ours.get(*key))
        .map(|key| {
            let show = |map: &BTreeMap<String, Value>| {
                map.get(key).map_or("absent".into(), Value::to_string)
            };
            format!("{key}: {} there, {} now", show(&theirs), show(&ours))
        })
        .collect()
}

/// The model's shape as the hyper-parameters of an older version give it.
fn model_of(hparams: &Map<String, Value>) -> Option<Value> {
    let mut known = hparams.clone();
    known.retain(|key, _| hparam::decides(key).is_some());
    let (config, _) = Config::resolve(Path::new(""), "older", &known).ok()?;
    Some(serde_json::json!(config.encoder()))
}

/// The values by dotted keys.
fn flat(hparams: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (key, value) in hparams {
        match value {
            Value::Object(inner) => {
                let inner = inner.iter().map(|(k, v)| (format!("{key}.{k}"), v.clone()));
                values.extend(inner);
            }
            _ => {
                values.insert(key.clone(), value.clone());
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differing_hyper_parameters_are_named_with_both_values() {
        let keys = differing_keys(
            &json!({"learning_rate": 1e-4, "seed": 1}),
            &json!({
                "learning_rate": 2e-4, "seed": 1, "max_seq_length": 64, "optimizer_moments": "f32",
            }),
        );
        assert_eq!(
            keys,
            [
                "learning_rate: 0.0001 there, 0.0002 now",
                "max_seq_length: absent there, 64 now"
            ]
        );
    }

    #[test]
    fn what_decides_no_weight_may_differ_and_the_model_s_shape_may_be_given_otherwise() {
        let resolve = |given: Value| {
            let given = given.as_object().unwrap().clone();
            Config::resolve(Path::new("d"), "m", &given).unwrap().0
        };
        let ours = resolve(json!({
            "task_names": ["squad"], "model_size": "base", "learning_rate": 1e-4, "data_dir": "e",
            "max_save": 2, "qa_na_threshold": 1, "init_checkpoint": "moved", "num_trials": 3,
            "model_hparam_overrides": {"num_hidden_layers": 24, "hidden_size": 1024},
        }));
        let given = json!({
            "task_names": ["squad"], "model_size": "large", "learning_rate": 1e-4,
            "layerwise_lr_decay": 0.8, "double_unordered": false,
        });
        let theirs = resolve(given.clone()).decides_training();
        let ours = Value::Object(ours.decides_training());
        assert_eq!(differing_keys(&theirs.into(), &ours), Vec::<String>::new());
        // As older versions stored it.
        let mut older = resolve(given).to_json();
        assert_eq!(differing_keys(&older, &ours), Vec::<String>::new());
        older["model_hparam_overrides"] = json!({"num_attention_heads": 8});
        assert_eq!(
            differing_keys(&older, &ours),
            ["model.num_attention_heads: 8 there, 16 now"]
        );
    }

    #[test]
    fn unfinished_folders_are_not_checkpoints_and_pruning_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        for step in [5, 10, 20] {
            let path = folder.path().join(format!("checkpoint-{step}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("state.json"), "{}").unwrap();
        }
        fs::create_dir(folder.path().join("checkpoint-30")).unwrap();
        prune(folder.path(), 2).unwrap();
        let steps: Vec<u64> = list(folder.path()).into_iter().map(|c| c.0).collect();
        assert_eq!(steps, [10, 20]);
    }
}
