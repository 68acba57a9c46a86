//! An existing run, read from its folders: its settings, the progress of its trials, and their scores. Writes
//! nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use checkpoints_convert::HeadShape;

use super::{
    ledger::Ledger,
    trial_folder::{Error, TrialFolder, is_trial, place_of, siblings},
};
use crate::{
    config::Config,
    eval::{results::TrialResults, summary::Summary},
    report::TrainingCurve,
    train::{checkpoint, run_folder::TRAIN_LOG},
};

/// The progress of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Finished with these scores; without a task if it was not evaluated.
    Finished { steps: u64, results: TrialResults },
    /// Trained to the last step, but not evaluated.
    Trained,
    /// Stopped after this many steps, if its log says so.
    Unfinished { steps: Option<u64> },
}

/// A run that was started.
#[derive(Debug, Clone)]
pub struct MadeRun {
    /// The common prefix of its trials' folders, without `_` and number; for a renamed folder, the folder
    /// itself.
    pub folder: PathBuf,
    pub config: Config,
    /// The heads of its tasks, from the model's description.
    pub heads: BTreeMap<String, HeadShape>,
    /// The trials that were started, by number.
    pub trials: BTreeMap<usize, State>,
    /// When the run last wrote one of its logs.
    pub written: Option<SystemTime>,
    /// The run's original name if its folder was renamed; no other file can then be attributed to the run.
    pub renamed_from: Option<String>,
    /// Finished trials whose training or evaluation differs from the last one's: the run's results exclude
    /// them.
    left_out: Vec<usize>,
}

impl MadeRun {
    /// Opens the run that has a trial in the folder `path`, and returns the trial's number; or the run whose
    /// folders have this path as their prefix.
    ///
    /// # Errors
    /// If there is no run, or it cannot be read.
    pub fn open(path: &Path) -> Result<(Self, Option<usize>), Error> {
        let named = match path.file_name() {
            Some(_) => path.to_owned(),
            // `.` and `..` have names too.
            None => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        };
        if is_trial(&named) {
            let own = TrialFolder::read(&named)?;
            let Some((folder, trial)) = own.place.clone() else {
                return Ok((Self::renamed(own), None));
            };
            let others = siblings(&folder).into_iter();
            let others = others.filter(|(number, _)| *number != trial);
            let others = others.filter_map(|(_, path)| TrialFolder::read(&path).ok());
            return Ok((Self::of(others.chain([own]).collect())?, Some(trial)));
        }
        // Unless all models are kept, only the last trial's folder remains.
        let place = place_of(&named);
        let candidates = [
            Some((named.clone(), None)),
            place.map(|(f, t)| (f, Some(t))),
        ];
        for (folder, trial) in candidates.into_iter().flatten() {
            let found: Vec<PathBuf> = siblings(&folder).into_values().collect();
            if found.is_empty() {
                continue;
            }
            let read = found.iter().map(|path| TrialFolder::read(path));
            let read: Vec<TrialFolder> = read.collect::<Result<_, _>>()?;
            let own = read.into_iter().filter(|one| one.place.is_some());
            let own: Vec<TrialFolder> = own.collect();
            if !own.is_empty() {
                return Ok((Self::of(own)?, trial));
            }
        }
        Err(Error::NoRun {
            path: path.to_owned(),
        })
    }

    /// The run of these folders, which share a prefix; there must be at least one.
    pub(super) fn of(mut folders: Vec<TrialFolder>) -> Result<Self, Error> {
        folders.sort_by_key(|one| one.place.as_ref().map(|(_, trial)| *trial));
        let logs: Vec<PathBuf> = folders.iter().map(|one| one.path.join(TRAIN_LOG)).collect();
        let paths: BTreeMap<usize, PathBuf> = folders
            .iter()
            .filter_map(|one| Some((one.place.as_ref()?.1, one.path.clone())))
            .collect();
        let Some((last, (folder, _))) = folders.pop().and_then(|one| {
            let place = one.place.clone()?;
            Some((one, place))
        }) else {
            return Err(Error::NoRun {
                path: PathBuf::new(),
            });
        };
        let config = last.config;
        let path = config.paths().trials();
        let ledger = Ledger::read(&path).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
        let Some(ledger) = ledger else {
            return Err(Error::Damaged { path });
        };
        let mut trials = BTreeMap::new();
        for number in ledger.numbers().chain(paths.keys().copied()) {
            let state = match (ledger.get(number), paths.get(&number)) {
                (Some(finished), _) => State::Finished {
                    steps: finished.steps,
                    results: finished.results.clone(),
                },
                (None, Some(folder)) => state_of(folder),
                (None, None) => continue,
            };
            trials.insert(number, state);
        }
        let evaluated = ledger.evaluated();
        let last_own = evaluated.values().next_back().copied();
        let others = evaluated
            .iter()
            .filter(|(_, own)| last_own.is_some_and(|last| !own.is_like(last)));
        let left_out = others.map(|(number, _)| *number).collect();
        Ok(Self {
            folder,
            config,
            heads: last.heads,
            left_out,
            trials,
            written: logs.iter().chain([&path]).filter_map(|p| written(p)).max(),
            renamed_from: None,
        })
    }

    /// The run of a renamed folder, which is alone.
    pub(super) fn renamed(folder: TrialFolder) -> Self {
        let name = folder.config.model_dir.file_name().unwrap_or_default();
        Self {
            trials: [(1, state_of(&folder.path))].into(),
            written: written(&folder.path.join(TRAIN_LOG)),
            renamed_from: Some(format!("{}_…", name.to_string_lossy())),
            left_out: Vec::new(),
            folder: folder.path,
            config: folder.config,
            heads: folder.heads,
        }
    }

    /// The scores of the finished trials, all evaluated in the same way.
    pub fn results(&self) -> Vec<TrialResults> {
        let trials = self.trials.iter();
        let own = trials.filter(|(number, _)| !self.left_out.contains(number));
        let results = own.filter_map(|(_, state)| match state {
            State::Finished { results, .. } if !results.tasks.is_empty() => Some(results.clone()),
            _ => None,
        });
        results.collect()
    }

    /// Their mean and standard deviation, if there are several.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.results())
    }

    /// Its progress, in words.
    pub fn progress(&self) -> String {
        let planned = self.config.num_trials.max(self.trials.len());
        let mut finished = 0;
        for (number, state) in &self.trials {
            let of_trial = match planned {
                1 => String::new(),
                _ => format!("trial {number}: "),
            };
            match state {
                State::Finished { .. } => finished += usize::from(!self.left_out.contains(number)),
                State::Trained => return format!("{of_trial}trained, not evaluated"),
                State::Unfinished { steps: Some(steps) } => {
                    return format!("{of_trial}unfinished, step {steps}");
                }
                State::Unfinished { steps: None } => return format!("{of_trial}unfinished"),
            }
        }
        match finished == planned {
            true => planned.to_string(),
            false => format!("{finished} of {planned}"),
        }
    }
}

fn state_of(folder: &Path) -> State {
    if folder.join("model.bpk").is_file() {
        return State::Trained;
    }
    let log = TrainingCurve::read(&folder.join(TRAIN_LOG), "");
    let saved = checkpoint::list(folder).last().map(|(step, _)| *step);
    let steps = match log {
        Ok(log) => {
            let told = log.steps.last().map_or(0, |last| last.step + 1);
            Some(told.max(saved.unwrap_or(0)))
        }
        Err(_) => saved,
    };
    State::Unfinished { steps }
}

fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|found| found.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use checkpoints_convert::CONFIG_FILE;
    use serde_json::{Value, json};

    use super::*;
    use crate::{eval::figures::Figure, eval::figures::Scores, finetune::ledger};

    /// Creates the folders of a run's trials in a data folder, with the run's settings.
    fn lay(data: &Path, told: Value, trials: &[usize]) -> PathBuf {
        let given = told.as_object().unwrap();
        let config = Config::resolve(data, "m", given).unwrap().0;
        for &trial in trials {
            let folder = config.paths().model_dir(trial);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(CONFIG_FILE), config.to_json().to_string()).unwrap();
            fs::write(folder.join(TRAIN_LOG), "").unwrap();
        }
        config.model_dir
    }

    fn finish(model_dir: &Path, trial: usize, exact: f64) {
        finish_with(model_dir, trial, exact, json!({}));
    }

    fn finish_with(model_dir: &Path, trial: usize, exact: f64, evaluation: Value) {
        let mut scores = Scores::default();
        scores.push("exact", Figure::Value(exact));
        let results = TrialResults {
            tasks: vec![("squad".to_owned(), scores)],
        };
        let path = PathBuf::from(format!("{}_trials.json", model_dir.display()));
        let finished = json!({
            "steps": 9, "training": {}, "model": "removed", "evaluation": evaluation, "results": results,
            "files": [],
        });
        let finished: ledger::Finished = serde_json::from_value(finished).unwrap();
        let mut ledger = Ledger::read(&path).unwrap().unwrap();
        ledger.set(trial, finished).unwrap();
    }

    #[test]
    fn a_run_is_opened_by_its_name_a_trial_and_a_trial_whose_model_is_gone() {
        let data = tempfile::tempdir().unwrap();
        let told = json!({"task_names": ["squad"], "num_trials": 3, "keep_all_models": false});
        let model_dir = lay(data.path(), told, &[2]);
        finish(&model_dir, 1, 50.0);
        let log = model_dir.with_file_name("squad_model_2").join(TRAIN_LOG);
        let line = r#"{"step": 6, "loss": 1, "grad_norm": 1, "learning_rate": 1, "features": 1, "tokens": 1, "seconds": 1, "peak_bytes": null}"#;
        fs::write(log, format!("{line}\n")).unwrap();
        for (name, trial) in [
            ("squad_model", None),
            ("squad_model_1", Some(1)),
            ("squad_model_2", Some(2)),
        ] {
            let path = model_dir.with_file_name(name);
            let (run, found) = MadeRun::open(&path).unwrap();
            assert_eq!((found, run.folder.as_path()), (trial, model_dir.as_path()));
            assert_eq!(run.results().len(), 1);
            assert_eq!(run.trials[&2], State::Unfinished { steps: Some(7) });
            assert_eq!(run.progress(), "trial 2: unfinished, step 7");
            assert!(run.written.is_some() && run.renamed_from.is_none());
        }
        let message = MadeRun::open(data.path()).unwrap_err().to_string();
        assert!(message.contains("electra runs DIR"), "{message}");
    }

    #[test]
    fn trials_that_were_evaluated_otherwise_have_no_part_in_the_figures() {
        let data = tempfile::tempdir().unwrap();
        let told = json!({"task_names": ["squad"], "num_trials": 3});
        let model_dir = lay(data.path(), told, &[1, 2, 3]);
        for (trial, exact, lists) in [(1, 50.0, 5), (2, 60.0, 20), (3, 70.0, 20)] {
            finish_with(&model_dir, trial, exact, json!({"n_best_size": lists}));
        }
        let (run, _) = MadeRun::open(&model_dir).unwrap();
        let results = run.results().into_iter();
        let exact: Vec<_> = results
            .map(|own| own.tasks[0].1.get("exact").unwrap())
            .collect();
        assert_eq!(exact, [60.0, 70.0]);
        assert_eq!(run.progress(), "2 of 3");
        // The excluded trials are listed nevertheless.
        assert!(matches!(run.trials[&1], State::Finished { .. }));
    }

    #[test]
    fn places_move_with_the_folder_and_a_renamed_one_stands_alone() {
        let parent = tempfile::tempdir().unwrap();
        let before = parent.path().join("before");
        let told = json!({"task_names": ["squad"], "init_checkpoint": "/elsewhere/m"});
        let model_dir = lay(&before, told, &[1]);
        finish(&model_dir, 1, 50.0);
        let after = parent.path().join("after");
        fs::rename(&before, &after).unwrap();
        let model_dir = after.join("models/m/finetuning_models/squad_model");
        let (run, _) = MadeRun::open(&model_dir).unwrap();
        let paths = run.config.paths();
        assert_eq!(
            paths.model_dir(1),
            model_dir.with_file_name("squad_model_1")
        );
        assert_eq!(
            paths.qa_preds("squad"),
            after.join("models/m/results/squad_qa/squad_preds.json")
        );
        assert_eq!(
            paths.task_folder("squad"),
            after.join("finetuning_data/squad")
        );
        assert_eq!(
            run.config.init_checkpoint.as_deref(),
            Some(Path::new("/elsewhere/m"))
        );
        assert_eq!((run.results().len(), run.progress()), (1, "1".to_owned()));

        let kept = model_dir.with_file_name("best_of_them");
        fs::rename(model_dir.with_file_name("squad_model_1"), &kept).unwrap();
        let (run, trial) = MadeRun::open(&kept).unwrap();
        assert_eq!(
            (trial, run.renamed_from.as_deref()),
            (None, Some("squad_model_…"))
        );
        assert!(run.results().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let data = tempfile::tempdir().unwrap();
        let model_dir = lay(data.path(), json!({"task_names": ["squad"]}), &[1]);
        let file = model_dir.with_file_name("squad_model_1").join(CONFIG_FILE);
        let whole = fs::read_to_string(&file).unwrap();
        for (text, part) in [
            ("{", "EOF"),
            (
                "x",
                "expected the JSON object that a run writes of its hyper-parameters; start the run again",
            ),
            ("{\"vocab_size\": 3}", "of a run, found none"),
            (
                &whole.replace("\"learning_rate\":", "\"learning_rat\":"),
                "learning_rat",
            ),
        ] {
            fs::write(&file, text).unwrap();
            let message = MadeRun::open(&model_dir).unwrap_err().to_string();
            assert!(
                message.contains(part) && message.contains("config.json"),
                "{message}"
            );
        }
        fs::remove_file(&file).unwrap();
        let message = MadeRun::open(&model_dir).unwrap_err().to_string();
        assert!(message.contains("config.json: missing"), "{message}");
        fs::write(&file, whole).unwrap();
        let ledger = model_dir.with_file_name("squad_model_trials.json");
        fs::write(&ledger, "{}").unwrap();
        let message = MadeRun::open(&model_dir).unwrap_err().to_string();
        assert!(
            message.contains("squad_model_trials.json: the list"),
            "{message}"
        );
        assert_eq!(fs::read_to_string(&ledger).unwrap(), "{}");
    }
}
