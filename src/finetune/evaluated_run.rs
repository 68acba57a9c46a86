//! A trial of a run with its answers to the dev files, for a comparison with another.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    made_run::{MadeRun, State},
    trial_folder,
};
use crate::{
    config,
    data::{self, split::Split},
    eval::results::TrialResults,
    report::Sections,
    tasks::{
        self,
        kind::{heads, sections, task},
        task::TaskFile,
    },
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Run(#[from] trial_folder::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Tasks(#[from] tasks::Error),
    #[error(
        "{}: the run called this folder {name}, and its answers are stored under that name; rename the \
         folder to it",
        path.display()
    )]
    Renamed { path: PathBuf, name: String },
    #[error("{}: expected a trial that was evaluated, found {found}; {advice}", path.display())]
    NotEvaluated {
        path: PathBuf,
        found: String,
        advice: String,
    },
}

/// A trial that was evaluated.
pub struct EvaluatedRun {
    /// The path as the user gave it.
    pub path: PathBuf,
    pub run: MadeRun,
    pub trial: usize,
    /// Its scores from its own evaluation.
    pub results: TrialResults,
    files: Vec<Box<dyn TaskFile>>,
}

impl EvaluatedRun {
    /// Opens the trial in the folder `path`. If the path names a run without a number, its last trial.
    ///
    /// # Errors
    /// If there is no evaluated trial, or its data cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (run, trial) = MadeRun::open(path)?;
        let path = path.to_owned();
        if let Some(name) = run.renamed_from.clone() {
            return Err(Error::Renamed { path, name });
        }
        let mut evaluated = evaluated(&run);
        evaluated.retain(|number, _| trial.is_none_or(|own| own == *number));
        let Some((trial, results)) = evaluated.pop_last() else {
            let (found, advice) = instead(&run, trial);
            return Err(Error::NotEvaluated {
                path,
                found,
                advice,
            });
        };
        let results = results.clone();
        let config = &run.config;
        let tokenizer = config.tokenizer(config.paths().vocab_file())?;
        let mut files = Vec::new();
        for head in heads(config, &run.heads)? {
            let task = task(&head.task, config);
            let file = task.read(Split::Dev, None, &head.config, &tokenizer, config)?;
            file.check_not_empty()?;
            file.check_markable()?;
            files.push(file);
        }
        Ok(Self {
            path,
            run,
            trial,
            results,
            files,
        })
    }

    /// Whether both are the same trial of the same run, whatever the paths to them.
    pub fn is_same(&self, other: &Self) -> bool {
        self.trial == other.trial && real(&self.run.folder) == real(&other.run.folder)
    }

    /// Its answers, read from the files that it wrote.
    ///
    /// # Errors
    /// If they cannot be read, or do not match the data.
    pub fn sections(&self) -> Result<Vec<Box<dyn Sections + '_>>, Error> {
        let config = &self.run.config;
        // A run with one trial does not number its files.
        let several = config.num_trials.max(self.run.trials.len()) > 1;
        let trial = several.then_some(self.trial);
        Ok(sections(&self.files, config.paths(), trial)?)
    }

    /// Every file of it that is read.
    pub fn inputs(&self) -> Vec<PathBuf> {
        let config = &self.run.config;
        let paths = config.paths();
        let mut inputs = vec![
            paths.vocab_file().to_owned(),
            paths.trials(),
            paths.results_json(),
        ];
        for name in &config.task_names {
            let task = task(name, config);
            inputs.extend(task.data_files(config, Split::Dev));
            for file in task.result_files(paths) {
                inputs.push(config::of_trial(&file.path, self.trial));
                inputs.push(file.path);
            }
        }
        for trial in self.run.trials.keys() {
            inputs.extend(super::model_files(&paths.model_dir(*trial)));
        }
        inputs
    }
}

/// The canonical form of a run's folders without their numbers; a folder with exactly that name need not
/// exist.
fn real(common: &Path) -> PathBuf {
    let parent = match common.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize();
    let parent = parent.ok().zip(common.file_name());
    parent.map_or_else(|| common.to_owned(), |(parent, name)| parent.join(name))
}

/// The trials of a run that were evaluated.
fn evaluated(run: &MadeRun) -> BTreeMap<usize, &TrialResults> {
    let trials = run.trials.iter().filter_map(|(number, state)| match state {
        State::Finished { results, .. } if !results.tasks.is_empty() => Some((*number, results)),
        _ => None,
    });
    trials.collect()
}

/// What was found instead of the requested trial, or of any evaluated one, and what to do.
fn instead(run: &MadeRun, trial: Option<usize>) -> (String, String) {
    let planned = run.config.num_trials.max(run.trials.len());
    let trial = trial.or_else(|| run.trials.keys().next_back().copied());
    let again = "start the run again with its own command; it resumes from there";
    let (found, advice) = match trial.and_then(|trial| run.trials.get(&trial)) {
        Some(State::Finished { .. }) => (
            "one that was only trained".to_owned(),
            format!("{again}, with do_eval=true"),
        ),
        Some(State::Trained) => (
            "one that is trained, and not evaluated".to_owned(),
            format!("{again}, with do_eval=true if it was started without"),
        ),
        Some(State::Unfinished { steps: Some(steps) }) => (
            format!("one that is unfinished, at step {steps}"),
            again.to_owned(),
        ),
        Some(State::Unfinished { steps: None }) => {
            ("one that is unfinished".to_owned(), again.to_owned())
        }
        None => {
            let number = trial.unwrap_or_default();
            let names: Vec<String> = evaluated(run).keys().map(usize::to_string).collect();
            let known = match names.is_empty() {
                true => "none evaluated".to_owned(),
                false => format!("evaluated: {}", names.join(", ")),
            };
            match number <= planned {
                true => (
                    format!("no trial {number} yet ({planned} planned; {known})"),
                    format!("{again}, or give a trial that is evaluated"),
                ),
                false => (
                    format!("no trial {number} (the run has {planned}; {known})"),
                    "give one of its trials".to_owned(),
                ),
            }
        }
    };
    (found, advice)
}
