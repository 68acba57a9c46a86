//! Checkpoints: weights, moments and the place in the data, written beside and renamed.
//!
//! `checkpoint-<step>/` holds `model.bpk`, `optimizer.bpk` and `state.json`; `<step>` is the
//! number of finished steps. A folder without `state.json`, which is written last and knows the
//! checksums of the others and its own, is not a checkpoint.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    adam::Adam, checksum::Checksum, loss_scale::LossScale, run_folder, run_identity::differing_keys,
};
use crate::{
    durable_file::{sync_folder, write_whole},
    model::{
        parameters::{self, StoredParameters},
        record::{self, WriteError},
    },
    tasks::model::Model,
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
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
    #[error(
        "{path} was made with other hyper-parameters ({keys}); start with those again, or give \
         --restart to train anew"
    )]
    OtherRun { path: PathBuf, keys: String },
}

impl Error {
    /// The error as one of `folder`, to which `scratch` would have been renamed: nobody knows the
    /// other name, and nothing is left under it.
    fn in_place(self, scratch: &Path, folder: &Path) -> Self {
        let named = |path: PathBuf| match path.strip_prefix(scratch) {
            Ok(rest) => folder.components().chain(rest.components()).collect(),
            Err(_) => path,
        };
        match self {
            Self::Io {
                path,
                action,
                source,
            } => Self::Io {
                path: named(path),
                action,
                source,
            },
            Self::Write(WriteError::File { file, reason }) => Self::Write(WriteError::File {
                file: named(file),
                reason,
            }),
            Self::Write(WriteError::Device { file, source }) => Self::Write(WriteError::Device {
                file: named(file),
                source,
            }),
            other => other,
        }
    }
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

pub(super) const RECORDS: [&str; 2] = ["model.bpk", "optimizer.bpk"];
pub(super) const STATE: &str = "state.json";

/// Where `state.json` has its own checksum, that of all other keys in one line. Version 0.1 wrote
/// none.
const OWN_SUM: &str = "crc32c";

/// Makes a checkpoint. It takes the place of one of the same step only once it is whole; an
/// attempt that fails leaves nothing, an interrupted one a `.tmp` or `.old` folder, which
/// [`run_folder::tidy`] removes. `note` hears what stood in its way and is kept.
pub fn save(
    model_dir: &Path,
    model: &Model,
    tasks: &[String],
    adam: &Adam,
    state: &State,
    note: &mut dyn FnMut(String),
) -> Result<PathBuf, Error> {
    let folder = model_dir.join(format!("checkpoint-{}", state.step));
    let scratch = model_dir.join(format!("checkpoint-{}.tmp", state.step));
    let replaced = model_dir.join(format!("checkpoint-{}.old", state.step));
    run_folder::make_way(model_dir, state.step, note)?;
    if let Err(error) = write(&scratch, model, tasks, adam, state) {
        // What is half written would only hold the space that is lacking.
        if let Err(error) = fs::remove_dir_all(&scratch) {
            log::warn!("{}: not removed: {error}", scratch.display());
        }
        return Err(error.in_place(&scratch, &folder));
    }
    if folder.exists() {
        fs::rename(&folder, &replaced).map_err(io("renaming", &folder))?;
    }
    fs::rename(&scratch, &folder).map_err(io("making", &folder))?;
    sync_folder(model_dir).map_err(io("syncing", model_dir))?;
    run_folder::free(&replaced, note)?;
    Ok(folder)
}

/// Writes a checkpoint's files into `folder`.
fn write(
    folder: &Path,
    model: &Model,
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
    let state_file = folder.join(STATE);
    write_whole(&state_file, |out| {
        let mut state = serde_json::to_value(&state)?;
        state[OWN_SUM] = own_sum(&state).into();
        Ok(serde_json::to_writer_pretty(out, &state)?)
    })
    .map_err(io("writing", &state_file))
}

fn own_sum(state: &Value) -> u32 {
    crc32c::crc32c(state.to_string().as_bytes())
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
            path.join(STATE).is_file().then_some((step, path))
        })
        .collect();
    found.sort();
    found
}

/// Deletes the oldest checkpoints beyond `keep`.
pub fn prune(model_dir: &Path, keep: usize) -> Result<(), Error> {
    let found = list(model_dir);
    for (_, path) in &found[..found.len().saturating_sub(keep.max(1))] {
        run_folder::discard(path)?;
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
            Err(damage) => set_aside(&folder, &damage, note)?,
        }
    }
    Ok(None)
}

/// Moves a damaged checkpoint out of the way, and says so.
pub fn set_aside(folder: &Path, damage: &str, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    let aside = run_folder::aside(folder, "damaged");
    note(format!(
        "{}: {damage}; passed over and kept as {}",
        folder.display(),
        aside.display()
    ));
    fs::rename(folder, &aside).map_err(io("moving aside", folder))
}

/// Reads `state.json`, and compares it with its checksum and with the step in the folder's name.
fn read_state(folder: &Path) -> Result<State, String> {
    let text = fs::read(folder.join(STATE)).map_err(|e| format!("{STATE}: {e}"))?;
    let damaged = |e: serde_json::Error| format!("{STATE} is damaged: {e}");
    let mut value: Value = serde_json::from_slice(&text).map_err(damaged)?;
    let sum = value
        .as_object_mut()
        .and_then(|map| map.shift_remove(OWN_SUM));
    if sum.is_some_and(|sum| sum != own_sum(&value)) {
        return Err(format!("{STATE} is damaged: its checksum differs"));
    }
    let state: State = serde_json::from_value(value).map_err(damaged)?;
    // One that is on its way in or out has another name.
    let named = folder.file_stem().and_then(|name| name.to_str());
    let step = named.and_then(|name| name.strip_prefix("checkpoint-"));
    if step != Some(state.step.to_string().as_str()) {
        return Err(format!(
            "{STATE} is damaged: it says step {}, its folder's name does not",
            state.step
        ));
    }
    if state.step > state.steps {
        return Err(format!(
            "{STATE} is damaged: it says step {} of {}",
            state.step, state.steps
        ));
    }
    Ok(state)
}

/// A checkpoint's state, after comparing it and its records with their checksums.
pub(super) fn whole(folder: &Path) -> Result<State, String> {
    let state = read_state(folder)?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let steps: Vec<u64> = list(folder.path()).into_iter().map(|c| c.0).collect();
        assert_eq!(steps, [10, 20]);
    }

    /// A checkpoint whose records are empty, with a state that was changed by `change`.
    fn checkpoint(folder: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
        let path = folder.join("checkpoint-20");
        fs::create_dir_all(&path).unwrap();
        let mut state = State {
            step: 20,
            steps: 32,
            hparams: json!({"learning_rate": 1e-4, "seed": 1}),
            loss_scale: None,
            files: BTreeMap::new(),
        };
        for name in RECORDS {
            fs::write(path.join(name), "").unwrap();
            let sum = Checksum::of(&path.join(name)).unwrap();
            state.files.insert(name.into(), sum);
        }
        let mut state = serde_json::to_value(state).unwrap();
        state[OWN_SUM] = own_sum(&state).into();
        change(&mut state);
        fs::write(path.join(STATE), state.to_string()).unwrap();
        path
    }

    #[test]
    fn a_state_is_trusted_as_far_as_it_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint(folder.path(), |_| {});
        assert_eq!(whole(&path).unwrap().step, 20);

        // What version 0.1 wrote has no sum of its own, but a step that its folder's name confirms.
        let old = |state: &mut Value| {
            state.as_object_mut().unwrap().remove(OWN_SUM);
        };
        assert_eq!(whole(&checkpoint(folder.path(), old)).unwrap().step, 20);
        for (change, expected) in [
            (
                Box::new(|state: &mut Value| state["step"] = 21.into())
                    as Box<dyn FnOnce(&mut Value)>,
                "checksum differs",
            ),
            (
                Box::new(|state| state["hparams"]["learning_rate"] = 2e-4.into()),
                "checksum differs",
            ),
            (
                Box::new(|state| state[OWN_SUM] = 7.into()),
                "checksum differs",
            ),
            (
                Box::new(move |state| {
                    old(state);
                    state["step"] = 21.into();
                }),
                "says step 21",
            ),
            (
                Box::new(move |state| {
                    old(state);
                    state["steps"] = 19.into();
                }),
                "step 20 of 19",
            ),
            (Box::new(|state| *state = json!([])), "damaged"),
        ] {
            let damage = whole(&checkpoint(folder.path(), change)).unwrap_err();
            assert!(damage.contains(expected), "{damage}");
        }
    }

    #[test]
    fn damage_at_the_same_step_is_kept_each_time() {
        let folder = tempfile::tempdir().unwrap();
        for number in ["", "2", "3"] {
            checkpoint(folder.path(), |state| state["step"] = 21.into());
            let mut notes = Vec::new();
            let found = newest(folder.path(), &mut |note| notes.push(note)).unwrap();
            assert_eq!(found, None);
            let aside = format!("checkpoint-20.damaged{number}");
            assert!(notes[0].ends_with(&aside), "{notes:?}");
            assert!(folder.path().join(aside).is_dir());
        }
    }
    #[test]
    fn errors_name_the_place_that_a_checkpoint_was_to_have() {
        let (scratch, folder) = (Path::new("m/checkpoint-3.tmp"), Path::new("m/checkpoint-3"));
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let record = WriteError::File {
            file: scratch.join("model.bpk"),
            reason: "no space".to_owned(),
        };
        for (error, expected) in [
            (
                io("creating", scratch)(full()),
                "m/checkpoint-3: creating failed",
            ),
            (record.into(), "m/checkpoint-3/model.bpk: writing failed"),
        ] {
            let message = error.in_place(scratch, folder).to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
