//! The runs below a folder.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use super::{
    made_run::MadeRun,
    trial_folder::{Error, TrialFolder, is_trial},
};
use crate::pretrain::step_log;

/// Suffix of a list of finished trials, which is beside the folders of the run.
const LEDGER: &str = "_trials.json";

/// All runs below a folder, sorted by task and folder, and what prevented reading others.
#[derive(Debug, Default)]
pub struct RunList {
    pub runs: Vec<MadeRun>,
    /// Folders and files that cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Folders of pre-training runs, which have no task and are not listed.
    pub pretraining: Vec<PathBuf>,
}

impl RunList {
    /// Searches for the folders of trials in `folder` and below; does not follow links.
    ///
    /// # Errors
    /// If the folder itself cannot be read.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let mut list = Self::default();
        let (mut trials, mut ledgers) = (Vec::new(), Vec::new());
        let mut waiting = vec![folder.to_owned()];
        while let Some(place) = waiting.pop() {
            if is_trial(&place) {
                trials.push(place);
                continue;
            }
            let entries = place
                .read_dir()
                .and_then(|all| all.collect::<Result<Vec<_>, _>>());
            let entries = match entries {
                Ok(entries) => entries,
                Err(source) if place == folder => {
                    return Err(Error::Io {
                        path: place,
                        source,
                    });
                }
                Err(error) => {
                    list.cannot_read(place, &error);
                    continue;
                }
            };
            for entry in entries {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => waiting.push(path),
                    Ok(kind) if kind.is_file() => {
                        let name = entry.file_name();
                        if name.to_string_lossy().ends_with(LEDGER) {
                            ledgers.push(path);
                        } else if name == step_log::FILE {
                            list.pretraining.push(place.clone());
                        }
                    }
                    Ok(_) => {}
                    Err(error) => list.cannot_read(path, &error),
                }
            }
        }
        let mut runs: BTreeMap<PathBuf, Vec<TrialFolder>> = BTreeMap::new();
        for path in trials {
            match TrialFolder::read(&path) {
                Ok(trial) => match trial.common().map(Path::to_owned) {
                    Some(common) => runs.entry(common).or_default().push(trial),
                    None => list.runs.push(MadeRun::renamed(trial)),
                },
                Err(error) => list.unreadable.push((path, told(&error))),
            }
        }
        ledgers.retain(|path| {
            !runs
                .keys()
                .any(|folder| is_beside(path, folder.as_os_str(), ""))
                && !list
                    .unreadable
                    .iter()
                    .any(|(trial, _)| is_beside(path, trial.as_os_str(), "_"))
        });
        for path in ledgers {
            let gone = format!(
                "{}: the folders of its trials, which recorded the run's settings, are gone",
                path.display()
            );
            list.unreadable.push((path, gone));
        }
        for (folder, trials) in runs {
            match MadeRun::of(trials) {
                Ok(run) => list.runs.push(run),
                Err(error) => list.unreadable.push((folder, told(&error))),
            }
        }
        list.runs.sort_by(|a, b| {
            let key = |run: &MadeRun| (run.config.task_label(), run.folder.clone());
            key(a).cmp(&key(b))
        });
        list.unreadable.sort();
        list.pretraining.sort();
        Ok(list)
    }

    fn cannot_read(&mut self, path: PathBuf, error: &io::Error) {
        let reason = format!("{}: reading failed: {error}", path.display());
        self.unreadable.push((path, reason));
    }
}

/// Whether a list of finished trials belongs to folders whose name continues with `more`.
fn is_beside(ledger: &Path, folder: &OsStr, more: &str) -> bool {
    let (Some(ledger), Some(folder)) = (ledger.to_str(), folder.to_str()) else {
        return false;
    };
    let common = ledger.strip_suffix(LEDGER);
    let rest = common.and_then(|common| folder.strip_prefix(common));
    rest.is_some_and(|rest| match more {
        "" => rest.is_empty(),
        more => rest.starts_with(more),
    })
}

/// An error and its causes in one line.
fn told(error: &Error) -> String {
    super::one_line(error)
}
