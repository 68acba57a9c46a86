//! Checkpoints: weights, moments and the position in the data, written to a temporary folder and renamed.
//!
//! `checkpoint-<step>/` holds `model.bpk`, `optimizer.bpk` and `state.json`; `<step>` is the
//! number of finished steps. A folder without `state.json`, which is written last, is not a checkpoint.

pub mod state;

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::module::Module;
use serde_json::Value;

use self::state::{RECORDS, STATE, State, whole};
use super::{adam::Adam, checksum::Checksum, run_folder, run_identity::differing_keys};
use crate::{
    durable_file::{rename, sync_folder},
    model::{
        parameters::{self, StoredParameters},
        record::{self, WriteError},
    },
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
        "{path} was made with other hyper-parameters ({keys}); use those again, or give --restart to train \
         again"
    )]
    OtherRun { path: PathBuf, keys: String },
}

impl Error {
    /// The error as one about `folder`, to which `scratch` would have been renamed: the user does not know
    /// the other name, and nothing remains there.
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

/// Saves a checkpoint. It replaces one of the same step only once it is complete. A failed attempt leaves
/// nothing; an interrupted one leaves a `.tmp` or `.old` folder, which [`run_folder::tidy`] removes. `note`
/// is told what was in the way and is kept.
pub fn save(
    model_dir: &Path,
    model: &impl Module,
    tasks: &[String],
    adam: &Adam,
    state: &State,
    note: &mut dyn FnMut(String),
) -> Result<PathBuf, Error> {
    let folder = place(model_dir, state.step);
    let scratch = model_dir.join(format!("checkpoint-{}.tmp", state.step));
    let replaced = model_dir.join(format!("checkpoint-{}.old", state.step));
    run_folder::make_way(model_dir, state.step, note)?;
    if let Err(error) = write(&scratch, model, tasks, adam, state) {
        // A partly written checkpoint would only occupy scarce space.
        if let Err(error) = fs::remove_dir_all(&scratch) {
            log::warn!("{}: not removed: {error}", scratch.display());
        }
        return Err(error.in_place(&scratch, &folder));
    }
    if folder.exists() {
        rename(&folder, &replaced).map_err(io("renaming", &folder))?;
    }
    rename(&scratch, &folder).map_err(io("making", &folder))?;
    sync_folder(model_dir).map_err(io("syncing", model_dir))?;
    run_folder::free(&replaced, note)?;
    Ok(folder)
}

/// Writes a checkpoint's files into `folder`.
fn write(
    folder: &Path,
    model: &impl Module,
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
    let file = folder.join(STATE);
    state.write(&file).map_err(io("writing", &file))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        path,
        action,
        source,
    }
}

/// Where the checkpoint after `step` steps is.
pub fn place(model_dir: &Path, step: u64) -> PathBuf {
    model_dir.join(format!("checkpoint-{step}"))
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

/// The newest intact checkpoint, with its state. A damaged one is reported to `note`, moved aside and kept.
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

/// Moves a damaged checkpoint aside, and reports it.
pub fn set_aside(folder: &Path, damage: &str, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    let aside = run_folder::aside(folder, "damaged");
    note(format!(
        "{}: {damage}; skipped and kept as {}",
        folder.display(),
        aside.display()
    ));
    rename(folder, &aside).map_err(io("moving aside", folder))
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
    use super::{state::tests::checkpoint, *};

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
