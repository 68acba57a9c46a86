//! The folder of a trial: its name, the run's settings that it records, and where its siblings are. Writes
//! nothing.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
};

use checkpoints_convert::{CONFIG_FILE, HeadShape};
use serde_json::{Map, Value};

use crate::{
    config::{
        Config, Draft,
        hparam::{Decides, decides},
    },
    model::folder,
    train::run_folder::TRAIN_LOG,
};

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] folder::Error),
    #[error(
        "{}: expected the folder of a trial as written by fine-tuning, with {TRAIN_LOG}, or its name \
         without the trial's number; `electra runs DIR` lists the runs",
        path.display()
    )]
    NoRun { path: PathBuf },
    #[error(
        "{}: missing, and nothing else records the run's settings; start the run again, which writes it",
        path.display()
    )]
    NoConfig { path: PathBuf },
    #[error(
        "{}: expected the hyper-parameters of a run, found none; start the run again, which writes them",
        path.display()
    )]
    NotOfRun { path: PathBuf },
    #[error(
        "{}: {reason}; expected the JSON object that a run writes of its hyper-parameters; start the run \
         again, which writes it",
        path.display()
    )]
    NotJson { path: PathBuf, reason: String },
    #[error(
        "{}: the list of finished trials is damaged; start the run again, which moves it aside and checks \
         the trials' folders",
        path.display()
    )]
    Damaged { path: PathBuf },
    #[error("{}: reading failed: {source}; check the path and its permissions", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The folder of a trial and its contents.
pub(super) struct TrialFolder {
    pub path: PathBuf,
    pub config: Config,
    pub heads: BTreeMap<String, HeadShape>,
    /// The folders' common prefix and the number; `None` for a renamed folder.
    pub place: Option<(PathBuf, usize)>,
}

impl TrialFolder {
    /// Reads the trial's settings.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.join(CONFIG_FILE);
        let said = folder::config_file(path).map_err(|error| match error {
            // Here it is a run's in any case.
            folder::Error::Config { path, reason } => Error::NotJson { path, reason },
            other => other.into(),
        })?;
        let Some(said) = said else {
            return Err(Error::NoConfig { path: file });
        };
        if !said.is_fine_tuned() {
            return Err(Error::NotOfRun { path: file });
        }
        let mut hparams = said.hparams();
        let place = place_of(path).filter(|(folder, _)| relocate(&mut hparams, folder));
        let vocabulary = path.join("vocab.txt");
        if vocabulary.is_file() {
            let vocabulary = vocabulary.to_string_lossy().into_owned();
            hparams.insert("vocab_file".to_owned(), vocabulary.into());
        }
        // For a user's own tasks, the model's heads say what the data need not.
        let heads = said.record().map(|record| record.heads).unwrap_or_default();
        let names: Vec<&str> = heads.keys().map(String::as_str).collect();
        let config = Draft::of_model(&hparams, &names).and_then(|draft| draft.finish(None));
        let config = config.map_err(|source| folder::Error::Hparams { path: file, source })?;
        Ok(Self {
            path: path.to_owned(),
            config: config.config,
            heads,
            place,
        })
    }

    /// The prefix that it shares with the run's other folders.
    pub fn common(&self) -> Option<&Path> {
        self.place.as_ref().map(|(folder, _)| folder.as_path())
    }
}

/// Whether a trial was trained in this folder.
pub(super) fn is_trial(folder: &Path) -> bool {
    folder.join(TRAIN_LOG).is_file()
}

/// The common prefix of a run's folders and the trial's number, from a folder's name.
pub(super) fn place_of(folder: &Path) -> Option<(PathBuf, usize)> {
    let (name, number) = folder.file_name()?.to_str()?.rsplit_once('_')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let number = number
        .parse()
        .ok()
        .filter(|_| is_number && !name.is_empty())?;
    Some((folder.with_file_name(name), number))
}

/// The folders of a run's trials.
pub(super) fn siblings(folder: &Path) -> BTreeMap<usize, PathBuf> {
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let entries = parent.read_dir().into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let (common, number) = place_of(&entry.path())?;
        let path = folder.with_file_name(entry.file_name());
        (common.file_name() == folder.file_name() && is_trial(&path)).then_some((number, path))
    });
    found.collect()
}

/// The tasks of a run beside `model_dir`, a trial's folder, in the order in which it was trained on them.
/// `None` if no run has the given tasks, or if one has them in the given order.
pub fn tasks_in_order(model_dir: &Path, given: &[String]) -> Option<Vec<String>> {
    let sorted = |tasks: &[String]| {
        let mut tasks = tasks.to_vec();
        tasks.sort();
        tasks
    };
    let entries = model_dir.parent()?.read_dir().ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let made = names.filter_map(|name| {
        let (tasks, trial) = name.rsplit_once("_model_")?;
        trial.parse::<usize>().ok()?;
        let tasks: Vec<String> = tasks.split(',').map(str::to_owned).collect();
        (sorted(&tasks) == sorted(given)).then_some(tasks)
    });
    let made: Vec<Vec<String>> = made.collect();
    match made.iter().any(|tasks| tasks == given) {
        true => None,
        false => made.into_iter().min(),
    }
}

/// Makes the paths of a run point to their present location, if its folders are now in `folder`: files beside
/// a folder have moved with it. Returns false if the folder does not have the name that the run gave it.
fn relocate(hparams: &mut Map<String, Value>, folder: &Path) -> bool {
    let Some(told) = hparams.get("model_dir").and_then(Value::as_str) else {
        return false;
    };
    let told = PathBuf::from(told);
    if told.file_name() != folder.file_name() {
        return false;
    }
    let real = |path: &Path| match path.parent() {
        Some(parent) if parent != Path::new("") => parent.canonicalize().ok(),
        _ => Path::new(".").canonicalize().ok(),
    };
    let now = real(folder);
    if now.is_some() && real(&told) == now {
        return true;
    }
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let plain = told.components().filter(|part| *part != Component::CurDir);
    let (mut before, mut after): (Vec<_>, Vec<_>) =
        (plain.collect(), absolute.components().collect());
    while before.last().is_some() && before.last() == after.last() {
        before.pop();
        after.pop();
    }
    let (before, after): (PathBuf, PathBuf) =
        (before.into_iter().collect(), after.into_iter().collect());
    for (key, value) in hparams.iter_mut() {
        let Some(path) = value
            .as_str()
            .filter(|_| decides(key) == Some(Decides::Place))
        else {
            continue;
        };
        let path = Path::new(path);
        if key == "model_name" || path.is_absolute() != before.is_absolute() {
            continue;
        }
        if let Ok(rest) = path.strip_prefix(&before) {
            *value = after.join(rest).to_string_lossy().into_owned().into();
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_the_number_at_the_end_of_its_folder() {
        let place =
            |name: &str| place_of(Path::new(name)).map(|(f, n)| (f.display().to_string(), n));
        assert_eq!(
            place("a/squad_model_2"),
            Some(("a/squad_model".to_owned(), 2))
        );
        assert_eq!(place("x_1_10"), Some(("x_1".to_owned(), 10)));
        for name in [
            "model",
            "model_",
            "_1",
            "model_01",
            "model_+1",
            "model_1.old",
            "model_0",
        ] {
            assert_eq!(place(name), None, "{name}");
        }
    }
}
