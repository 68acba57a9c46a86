//! What a run writes into its model folder: distinguishes its leftovers from foreign files, and removes them
//! without touching those.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::checkpoint::state;
use crate::{
    device::ByteSize,
    durable_file::{rename, sync_folder},
    eval::dev_record,
    step_record,
    tensorboard::event_log,
};

/// Files of a finished run; its log and its lock.
const FILES: [&str; 6] = [
    "model.bpk",
    "config.json",
    "vocab.txt",
    TRAIN_LOG,
    EVAL_LOG,
    super::run_lock::INSIDE,
];

/// Prefix of temporary files.
const TEMPORARY: &str = ".electra-";

/// The log of a run's steps.
pub const TRAIN_LOG: &str = step_record::FILE;

/// The log of the evaluations between them.
pub const EVAL_LOG: &str = dev_record::FILE;

/// The folder of the weights with the best dev scores, a model in its own right.
pub const BEST: &str = "best";

/// Its files; the last one is restored when a run resumes from a checkpoint.
const OF_BEST: [&str; 4] = ["model.bpk", "config.json", "vocab.txt", BEFORE_BEST];

/// The best weights when the last checkpoint was saved, if replaced since.
pub const BEFORE_BEST: &str = "before.bpk";

#[derive(Debug, thiserror::Error)]
#[error("{path}: {action} failed: {source}; check its permissions")]
pub struct Error {
    path: PathBuf,
    action: &'static str,
    source: io::Error,
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error {
        path,
        action,
        source,
    }
}

/// `path` with `.word`, or with the first free one of `.word2`, `.word3`, …
pub fn aside(path: &Path, word: &str) -> PathBuf {
    let named = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(word);
        if number > 1 {
            name.push(number.to_string());
        }
        PathBuf::from(name)
    };
    (1..)
        .map(named)
        .find(|name| name.symlink_metadata().is_err())
        .unwrap_or_else(|| named(1))
}

/// Moves `path`, if there is anything, [`aside`] and says where it is now.
///
/// # Errors
/// If it cannot be renamed.
pub fn move_aside(path: &Path, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let aside = aside(path, "old");
    rename(path, &aside).map_err(io("moving aside", path))?;
    note(format!("{} is now {}", path.display(), aside.display()));
    Ok(())
}

/// The meaning of a name in a model folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A checkpoint, complete or not.
    Checkpoint,
    /// A checkpoint being written.
    Scratch,
    /// A checkpoint being replaced.
    Replaced,
    /// Kept so that the user can inspect the damage.
    Damaged,
    /// A partly written file.
    Temporary,
    /// The folder of the best weights.
    Best,
    /// A file of the run.
    File,
    Foreign,
}

impl Kind {
    fn of(name: &OsStr) -> Self {
        let Some(name) = name.to_str() else {
            return Self::Foreign;
        };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if is_temporary(name) {
            return Self::Temporary;
        }
        if let Some(rest) = name.strip_prefix("checkpoint-") {
            let (step, word) = rest.split_once('.').unwrap_or((rest, ""));
            return match (is_number(step), word) {
                (true, "") => Self::Checkpoint,
                (true, "tmp") => Self::Scratch,
                (true, "old") => Self::Replaced,
                (true, word) if word.starts_with("damaged") => Self::Damaged,
                _ => Self::Foreign,
            };
        }
        if name == BEST {
            return Self::Best;
        }
        let event_file = name.starts_with(event_log::FILE_PREFIX) && name.ends_with(".electra");
        let mut logs = [TRAIN_LOG, EVAL_LOG].into_iter();
        let log_aside = logs.any(|log| name.starts_with(&format!("{log}.damaged")));
        if FILES.contains(&name) || event_file || log_aside {
            return Self::File;
        }
        Self::Foreign
    }
}

/// Whether a run writes a file at this path below a model folder.
pub fn is_of_run(below: &Path) -> bool {
    let first = below.components().next();
    first.is_some_and(|first| Kind::of(first.as_os_str()) != Kind::Foreign)
}

/// Whether a file of this name is unfinished: ours, or a record's (`model.bpk.<process>-<number>.tmp`).
fn is_temporary(name: &str) -> bool {
    let record = |name: &str| {
        let (file, rest) = name.strip_suffix(".tmp")?.rsplit_once(".bpk.")?;
        let (process, number) = rest.split_once('-')?;
        let digits = |text: &str| text.parse::<u64>().is_ok();
        (!file.is_empty() && digits(process) && digits(number)).then_some(())
    };
    name.starts_with(TEMPORARY) || record(name).is_some()
}

/// Entries of a folder, sorted by name; none if it does not exist.
fn entries(folder: &Path) -> Vec<(Kind, PathBuf)> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (Kind::of(&entry.file_name()), entry.path()))
        .collect();
    entries.sort_by(|(_, a), (_, b)| a.cmp(b));
    entries
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// Removes what a killed save or pruning left in a model folder. The caller must hold the run's lock, so
/// nothing else writes there.
///
/// # Errors
/// If something cannot be removed.
pub fn tidy(model_dir: &Path, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    let mut removed = Vec::new();
    let mut bytes = 0;
    for (kind, path) in entries(model_dir) {
        let gone = match kind {
            Kind::Scratch => remove_checkpoint(&path, &mut bytes, note)?,
            Kind::Replaced => {
                // Killed between the two renames of a save: the one that was to be replaced is the
                // only one.
                let place = path.with_extension("");
                if !place.exists() && state::whole(&path).is_ok() {
                    rename(&path, &place).map_err(io("renaming", &path))?;
                    false
                } else {
                    remove_checkpoint(&path, &mut bytes, note)?
                }
            }
            Kind::Checkpoint if !path.join(state::STATE).exists() => {
                remove_checkpoint(&path, &mut bytes, note)?
            }
            Kind::Temporary if is_file(&path) => {
                bytes += path.metadata().map_or(0, |file| file.len());
                fs::remove_file(&path).map_err(io("removing", &path))?;
                true
            }
            _ => false,
        };
        if gone {
            removed.push(name(&path));
        }
    }
    if !removed.is_empty() {
        note(format!(
            "{}: removed {} ({}), which a run that was killed had left",
            model_dir.display(),
            removed.join(", "),
            ByteSize(bytes)
        ));
    }
    Ok(())
}

/// Removes a folder with a checkpoint's files, and returns whether it is gone: one with anything else is left
/// as it is.
fn remove_checkpoint(
    folder: &Path,
    bytes: &mut u64,
    note: &mut dyn FnMut(String),
) -> Result<bool, Error> {
    let files = [&state::RECORDS[..], &[state::STATE]].concat();
    remove_known(
        folder,
        &files,
        "is no whole checkpoint, and stays",
        bytes,
        note,
    )
}

/// Removes a folder that contains only these files and partly written ones, and returns whether it is gone;
/// anything else makes it `stay`.
fn remove_known(
    folder: &Path,
    known: &[&str],
    stay: &str,
    bytes: &mut u64,
    note: &mut dyn FnMut(String),
) -> Result<bool, Error> {
    if !is_folder(folder) {
        return Ok(false);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io("reading", folder))? {
        let path = entry.map_err(io("reading", folder))?.path();
        let is_known = path
            .file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| known.contains(&name) || is_temporary(name));
        if !is_known || !is_file(&path) {
            note(format!(
                "{} {stay}: it holds {}, which no run writes",
                folder.display(),
                name(&path)
            ));
            return Ok(false);
        }
        files.push(path);
    }
    for file in files {
        *bytes += file.metadata().map_or(0, |file| file.len());
        fs::remove_file(&file).map_err(io("removing", &file))?;
    }
    fs::remove_dir(folder).map_err(io("removing", folder))?;
    Ok(true)
}

/// Ensures that a checkpoint of `step` can be written and renamed into place: removes what a killed save
/// left, and moves foreign files aside, which it reports to `note`.
///
/// # Errors
/// If something cannot be removed or renamed.
pub fn make_way(model_dir: &Path, step: u64, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    for ending in ["", ".tmp", ".old"] {
        let path = model_dir.join(format!("checkpoint-{step}{ending}"));
        // Saving replaces an earlier checkpoint by itself, so that one of them exists at any moment.
        if ending.is_empty() && is_folder(&path) && is_file(&path.join(state::STATE)) {
            continue;
        }
        free(&path, note)?;
    }
    Ok(())
}

/// Frees a name that a run needs: removes a folder with a checkpoint's files, and moves anything else aside.
///
/// # Errors
/// If it cannot be removed or renamed.
pub(super) fn free(path: &Path, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    let is_gone = remove_checkpoint(path, &mut 0, &mut |_| {})?;
    if is_gone || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let aside = aside(path, "foreign");
    rename(path, &aside).map_err(io("renaming", path))?;
    note(format!(
        "{}: expected no file or folder of this name, which the run needs for a checkpoint, and found \
         one that no run writes; it is kept as {}",
        path.display(),
        name(&aside)
    ));
    Ok(())
}

/// Removes a checkpoint. It stops being a checkpoint at once, so that a kill never leaves a partial one.
///
/// # Errors
/// If it cannot be renamed or removed.
pub fn discard(checkpoint: &Path) -> Result<(), Error> {
    let leaving = checkpoint.with_extension("old");
    free(&leaving, &mut |note| log::warn!("{note}"))?;
    rename(checkpoint, &leaving).map_err(io("renaming", checkpoint))?;
    fs::remove_dir_all(&leaving).map_err(io("removing", &leaving))
}

/// Checkpoints that were set aside as damaged, sorted by name.
pub fn damaged(model_dir: &Path) -> Vec<PathBuf> {
    let entries = entries(model_dir).into_iter();
    entries
        .filter(|(kind, path)| *kind == Kind::Damaged && is_folder(path))
        .map(|(_, path)| path)
        .collect()
}

/// Removes everything that a run has written into its model folder, and the folder if it is then empty;
/// reports anything else in it.
///
/// # Errors
/// If something cannot be removed.
pub fn remove(model_dir: &Path, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    let mut stays = Vec::new();
    let mut bytes = 0;
    for (kind, path) in entries(model_dir) {
        let gone = match kind {
            Kind::Checkpoint | Kind::Scratch | Kind::Replaced | Kind::Damaged => {
                remove_checkpoint(&path, &mut bytes, note)?
            }
            Kind::Best => remove_known(&path, &OF_BEST, "stays", &mut bytes, note)?,
            Kind::File | Kind::Temporary if is_file(&path) => {
                fs::remove_file(&path).map_err(io("removing", &path))?;
                true
            }
            _ => false,
        };
        if !gone {
            stays.push(name(&path));
        }
    }
    if stays.is_empty() {
        if !is_folder(model_dir) {
            // Missing, or a link to a folder, which is not the run's.
            return Ok(());
        }
        fs::remove_dir(model_dir).map_err(io("removing", model_dir))?;
        if let Some(parent) = model_dir.parent() {
            sync_folder(parent).map_err(io("syncing", parent))?;
        }
    } else {
        note(format!(
            "{} stays: it holds {}, which the run did not write",
            model_dir.display(),
            stays.join(", ")
        ));
    }
    Ok(())
}

/// The first file in a folder that a training run would replace though none wrote it: a model if
/// there is neither a checkpoint nor a log.
pub fn foreign_model(model_dir: &Path) -> Option<PathBuf> {
    let entries = entries(model_dir);
    let trained = entries.iter().any(|(kind, path)| {
        matches!(kind, Kind::Checkpoint | Kind::Damaged) || path.ends_with(TRAIN_LOG)
    });
    let model = ["model.bpk", "config.json", "vocab.txt"];
    let mut found = entries.into_iter().map(|(_, path)| path);
    found.find(|path| !trained && model.iter().any(|name| path.ends_with(name)))
}

/// The first log in a folder that a training run would overwrite although no run wrote it: one that is not a
/// plain file, or contains no line of a log (`is_foreign`), without a checkpoint beside it.
pub fn foreign_log(model_dir: &Path, is_foreign: fn(&Path) -> bool) -> Option<PathBuf> {
    let entries = entries(model_dir);
    let trained = entries
        .iter()
        .any(|(kind, _)| matches!(kind, Kind::Checkpoint | Kind::Damaged));
    let mut found = entries.into_iter().map(|(_, path)| path);
    let log = found.find(|path| path.ends_with(TRAIN_LOG))?;
    let foreign = !trained && (!is_file(&log) || is_foreign(&log));
    foreign.then_some(log)
}

/// Removes a symbolic link in the place of a run's file, so that writing does not follow it; reports it to
/// `note`.
///
/// # Errors
/// If it cannot be removed.
pub fn remove_link(path: &Path, note: &mut dyn FnMut(String)) -> io::Result<()> {
    if !path.is_symlink() {
        return Ok(());
    }
    fs::remove_file(path)?;
    note(format!(
        "{}: expected a plain file, found a symbolic link, which a run does not follow: a file takes \
         the link's place, and what it leads to stays as it is",
        path.display()
    ));
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
