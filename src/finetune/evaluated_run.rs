//! A trial of a run with its answers to the dev files, to be held against another's.

use std::path::{Path, PathBuf};

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
        "{}: the run named this folder {name}, and its answers are known by that name; give the folder its \
         name back",
        path.display()
    )]
    Renamed { path: PathBuf, name: String },
    #[error(
        "{}: expected a trial that was evaluated, found {found}; start the run again, which goes on from \
         there, with do_eval=true",
        path.display()
    )]
    NotEvaluated { path: PathBuf, found: String },
}

/// A trial that was evaluated.
pub struct EvaluatedRun {
    /// As it was given.
    pub path: PathBuf,
    pub run: MadeRun,
    pub trial: usize,
    /// Its figures when it was evaluated.
    pub results: TrialResults,
    files: Vec<Box<dyn TaskFile>>,
}

impl EvaluatedRun {
    /// The trial whose folder lies at `path`; of a run that is named without a number the last.
    ///
    /// # Errors
    /// No trial there that was evaluated, or data that cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (run, trial) = MadeRun::open(path)?;
        let path = path.to_owned();
        if let Some(name) = run.renamed_from.clone() {
            return Err(Error::Renamed { path, name });
        }
        let evaluated = run.trials.iter().filter_map(|(number, state)| match state {
            State::Finished { results, .. } if !results.tasks.is_empty() => {
                Some((*number, results))
            }
            _ => None,
        });
        let mut evaluated = evaluated.filter(|(number, _)| trial.is_none_or(|own| own == *number));
        let Some((trial, results)) = evaluated.next_back() else {
            let state = trial.and_then(|trial| run.trials.get(&trial));
            let found = match state {
                Some(State::Finished { .. }) => "one that was only trained".to_owned(),
                Some(State::Trained) => "one that is trained, and not evaluated".to_owned(),
                Some(State::Unfinished { steps: Some(steps) }) => {
                    format!("one that is unfinished, at step {steps}")
                }
                Some(State::Unfinished { steps: None }) => "one that is unfinished".to_owned(),
                None => format!("none ({})", run.progress()),
            };
            return Err(Error::NotEvaluated { path, found });
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

    /// Its answers, read from where it left them.
    ///
    /// # Errors
    /// When they cannot be read, or are not those of the data.
    pub fn sections(&self) -> Result<Vec<Box<dyn Sections + '_>>, Error> {
        let config = &self.run.config;
        // A run of one trial does not number its files.
        let several = config.num_trials.max(self.run.trials.len()) > 1;
        let trial = several.then_some(self.trial);
        Ok(sections(&self.files, config.paths(), trial)?)
    }

    /// Every file that is read of it.
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
