//! The reference's `run_finetuning`: trains and evaluates each trial and writes the results.
//!
//! Everything that can be checked in advance is checked before the first step: that there is a step to run,
//! that the metrics can score the dev files, that no result replaces another or a file that the run reads,
//! and that all results can be written. A run that is started again resumes in the trial where it stopped.
//! Several processes may share its trials: each takes those that no other is working on, and each that
//! finishes one merges the results of all.

mod claims;
pub mod comparison;
pub mod evaluated_run;
mod evaluation;
mod figures;
mod identity;
mod ledger;
mod left_files;
pub mod made_run;
mod merge;
mod missing;
mod model_files;
mod orders;
mod outline;
mod places;
mod replay;
mod report;
pub mod run_list;
pub mod settings;
mod stale_summary;
mod trial;
pub mod trial_folder;
mod trials;
mod untrained_positions;

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use indicatif::HumanCount;
pub use merge::finished_trials;
pub(crate) use model_files::model_files;
pub use places::GivenFiles;

use crate::{
    batch::{FeatureSet, plan::BatchPlan},
    config::{self, Config},
    data::{self, existing_file::existing, split::Split},
    eval::{self, results::TrialResults, summary::Summary},
    model::{arithmetic::Arithmetic, folder},
    progress::Progress,
    ranks::{self, Ranks},
    stop::Stop,
    tasks::{self, head::TaskHead, kind::task, last_trial::keep_as_last, task::TaskFile},
    text::tokenizer::Tokenizer,
    train::{self, memory_plan::MemoryLimits, run_folder, run_lock},
};

/// What a message says of the next run after training was stopped.
const GOES_ON: &str = "resumes from there";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Model(#[from] folder::Error),
    #[error(transparent)]
    Train(#[from] train::run::Error),
    #[error(transparent)]
    Task(#[from] tasks::Error),
    #[error(transparent)]
    Results(#[from] eval::Error),
    #[error(transparent)]
    Replay(#[from] replay::Error),
    #[error(transparent)]
    Places(#[from] places::Error),
    #[error(transparent)]
    Lock(#[from] run_lock::Error),
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
    #[error("{0}")]
    Memory(#[from] train::memory_plan::TooLarge),
    #[error(
        "no training step: expected train_batch_size and num_train_epochs that make at least 1, found \
         {batches} batches × {epochs} epochs ({features} features, {batch_size} in a batch); raise \
         num_train_epochs, or lower train_batch_size"
    )]
    NoStep {
        batches: usize,
        epochs: f64,
        features: usize,
        batch_size: usize,
    },
    #[error(
        "label_smoothing = {smoothing}: the task {task} is one of {kind}, which has no classes to smooth, \
         as classification and tagging have; set label_smoothing=0, or leave the task out"
    )]
    NoClasses {
        smoothing: f64,
        task: String,
        kind: &'static str,
    },
    #[error(
        "{path}: write_test_outputs is true, but there is no such file to answer; put it there, or set \
         write_test_outputs=false"
    )]
    NoTestFile { path: PathBuf },
    #[error(
        "{}; correct the file, or set do_eval=false",
        evaluation::of_file(file, source)
    )]
    CannotMark { file: PathBuf, source: tasks::Error },
    #[error(
        "{model_dir} contains {file}, which no training run has written; choose another model_dir, or give \
         --restart to move the folder aside"
    )]
    ForeignModel { model_dir: PathBuf, file: String },
    #[error(
        "{ledger}: trial {trial} was evaluated with other settings ({differing}), and its model has been \
         removed (keep_all_models=false); use the same settings, or give --restart to train again"
    )]
    ModelGone {
        ledger: PathBuf,
        trial: usize,
        differing: String,
    },
    #[error(
        "{ledger}: trial {trial} was trained with other hyper-parameters ({differing}), which the trials of \
         a run share; use those, choose another model_dir, or give --restart without --trial, which moves \
         all trials aside"
    )]
    OtherTrial {
        ledger: PathBuf,
        trial: usize,
        differing: String,
    },
    #[error(
        "--trial: expected a number from 1 to {trials}, the run's num_trials, found {trial}; give one of \
         them, or --set num_trials=N for more"
    )]
    NoTrial { trial: usize, trials: usize },
    #[error(
        "--trial {trial}: needs do_train=true, because without training all trials are the same; leave it \
         out"
    )]
    OnlyEvaluated { trial: usize },
    #[error("{0}")]
    Ranks(#[from] ranks::Error),
    #[error("rank 0 said {said}, which this rank does not understand; start all with one program")]
    UnknownOrder { said: String },
    #[error("stopped {place}; {next}")]
    Stopped { place: String, next: String },
    #[error("{path}: {action} failed: {source}; check the path and its permissions")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the user stopped the run, which is not a failure.
    pub fn was_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }
}

/// The results of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The scores of the finished trials in order, whoever ran them.
    pub trials: Vec<TrialResults>,
    /// The numbers of these trials.
    pub numbers: Vec<usize>,
    /// Trials missing from the scores.
    pub missing: Vec<usize>,
    /// The model, the results and the test answers.
    pub files: Vec<PathBuf>,
}

/// A run of `electra finetune` with resolved hyper-parameters.
pub struct Finetune<'a> {
    pub config: &'a Config,
    /// Files that no result may replace.
    pub given: GivenFiles<'a>,
    /// The heads of the tasks, in order.
    pub heads: &'a [TaskHead],
    /// Without autodiff.
    pub device: &'a Device,
    /// The device's name for people.
    pub device_name: String,
    pub arithmetic: Arithmetic,
    pub tokenizer: &'a Tokenizer,
    /// Whether a model that is only evaluated may have a randomly initialised head.
    pub untrained_head: bool,
    /// Moves an earlier run's folders aside instead of resuming it.
    pub restart: bool,
    /// Only describes what the run would do; writes nothing.
    pub dry_run: bool,
    /// The only trial to run; `None` runs all that no other process is working on.
    pub trial: Option<usize>,
    pub progress: &'a Progress,
    pub memory_limits: MemoryLimits,
    /// How many rows an evaluation computes at once; empty before the first one.
    pub answered_at_once: OnceCell<usize>,
    /// Set from outside to end training after a step, with a checkpoint.
    pub stop: &'a Stop,
    /// Those that train together.
    pub ranks: &'a Ranks,
}

/// The featurised files of a run: one entry per task, empty for files that the run does not need.
struct RunData {
    train: Vec<Box<dyn TaskFile>>,
    dev: Vec<Box<dyn TaskFile>>,
    /// Files scored during training, if not the same.
    between: Option<Vec<Box<dyn TaskFile>>>,
    /// With the task's index in the model's list.
    test: Vec<(usize, Box<dyn TaskFile>)>,
}

impl RunData {
    /// The files that are scored during training.
    fn between(&self) -> &[Box<dyn TaskFile>] {
        self.between.as_ref().unwrap_or(&self.dev)
    }
}

/// Checks that every result of a run has its own, writable path. [`Finetune::run`] does this once the data
/// have been read.
///
/// # Errors
/// The first file without one.
pub fn check_places(config: &Config, given: GivenFiles<'_>) -> Result<(), Error> {
    places::check_names(config, given)?;
    Ok(places::check_writable(config, None)?)
}

/// Checks that a run has a trial with this number, which can run alone.
///
/// # Errors
/// If it has no such trial, or trains nothing.
pub fn check_trial(config: &Config, trial: Option<usize>) -> Result<(), Error> {
    let Some(trial) = trial else {
        return Ok(());
    };
    if !config.do_train {
        return Err(Error::OnlyEvaluated { trial });
    }
    let trials = config.num_trials;
    match (1..=trials).contains(&trial) {
        true => Ok(()),
        false => Err(Error::NoTrial { trial, trials }),
    }
}

impl Finetune<'_> {
    /// Runs every unfinished trial, or the requested one.
    pub fn run(&self) -> Result<Outcome, Error> {
        if !self.ranks.is_first() {
            return self.follow();
        }
        let outcome = self.run_trials();
        self.order_end(&outcome);
        match &outcome {
            Err(error) if error.was_stopped() => self.progress.note(&error.to_string()),
            Err(Error::Train(_)) if self.restart => self
                .progress
                .note("--restart starts over; leave it out to resume from the last checkpoint"),
            _ => {}
        }
        outcome
    }

    fn run_trials(&self) -> Result<Outcome, Error> {
        let config = self.config;
        check_trial(config, self.trial)?;
        places::check_names(config, self.given)?;
        self.check_smoothing()?;
        let data = self.read_all()?;
        self.warn_of_untrained_positions(&data);
        if !config.do_train && !config.do_eval && data.test.is_empty() {
            log::warn!(
                "do_train and do_eval are false, and no test file is to be answered: there is nothing to do"
            );
        }
        let mut features = FeatureSet::of_rows(data.train.iter().map(|file| file.rows()));
        if let Some(file) = self.given.replay.filter(|_| config.do_train) {
            features = features.in_order(&replay::order(file, &data.train)?);
        }
        if config.do_train {
            self.check_steps(&features)?;
            self.say_what_will_be_done(&data.train, &features)?;
        }
        for file in data.dev.iter().chain(data.between.iter().flatten()) {
            evaluation::rehearse(file.as_ref())?;
        }
        if self.dry_run {
            return Ok(Outcome::default());
        }
        places::check_writable(config, self.trial)?;

        // From here on there is progress to save or to report.
        let _held = self.stop.hold();
        let mut figures = figures::Figures::new(config, &data.dev);
        let mut missing = Vec::new();
        if config.do_train {
            missing = self.train_trials(&data, &features, &mut figures)?;
        } else {
            for trial in 1..=config.num_trials {
                self.tell_trial(trial, "");
                let model = self.build(trial, self.device, None)?;
                if let Some(folder) = &config.init_checkpoint {
                    // A model that is only evaluated may be in a folder of its own.
                    figures.report.add_training(folder, trial, self.progress);
                }
                let folder = config.init_checkpoint.as_deref().unwrap_or(Path::new(""));
                let origin = self.origin(folder, trial);
                figures.report.came_from(&origin);
                let scores = self.evaluate(&model, trial, &data.dev, &origin)?;
                if let Some(scores) = scores {
                    keep_as_last(config, trial, true)?;
                    figures.trials.insert(trial, scores.clone());
                    figures.write()?;
                    self.calibrate(folder, &data.dev, &scores);
                }
                self.write_test_outputs(&model, trial, &data.test)?;
            }
        }
        let trials = figures.results();
        if let Some(summary) = Summary::of(&trials) {
            self.progress.summary(&summary);
        }
        for line in missing::lines(&missing, config.num_trials) {
            self.progress.note(&line);
        }
        Ok(Outcome {
            files: left_files::left_files(&figures),
            trials,
            numbers: figures.trials.into_keys().collect(),
            missing: missing.into_iter().map(|(trial, _)| trial).collect(),
        })
    }

    fn tell_trial(&self, trial: usize, more: &str) {
        if self.config.num_trials > 1 {
            let of = self.config.num_trials;
            self.progress.note(&format!("trial {trial} of {of}{more}"));
        }
    }

    fn read_all(&self) -> Result<RunData, Error> {
        let config = self.config;
        let read = |wanted: bool, split| -> Result<Vec<Box<dyn TaskFile>>, Error> {
            let tasks = config.task_names.iter().filter(|_| wanted);
            tasks
                .zip(self.heads)
                .map(|(task, head)| self.read(task, split, head))
                .collect()
        };
        let (train, dev) = (
            read(config.do_train, Split::Train)?,
            read(config.do_eval, Split::Dev)?,
        );
        let mut test = Vec::new();
        if config.write_test_outputs && config.n_writes_test > 0 {
            for (head, name) in config.task_names.iter().enumerate() {
                if task(name, config)
                    .test_outputs(config.paths(), 1)
                    .is_empty()
                {
                    log::warn!("write_test_outputs: no answers are written for the task {name}");
                    continue;
                }
                let files = task(name, config).data_files(config, Split::Test);
                if let Some(path) = files.into_iter().find(|path| !existing(path).is_file()) {
                    return Err(Error::NoTestFile { path });
                }
                test.push((head, self.read(name, Split::Test, &self.heads[head])?));
            }
        }
        Ok(RunData {
            train,
            between: self.between(&dev),
            dev,
            test,
        })
    }

    /// The examples scored during training, if they are fewer.
    fn between(&self, dev: &[Box<dyn TaskFile>]) -> Option<Vec<Box<dyn TaskFile>>> {
        let most = self
            .config
            .eval_max_examples
            .filter(|_| self.config.do_train)?;
        let files = dev.iter().map(|file| file.first(most, self.tokenizer));
        let files: Vec<Box<dyn TaskFile>> = files.collect();
        let mut fewer = false;
        for (first, file) in files.iter().zip(dev) {
            let Some(taken) = first.taken().filter(|taken| Some(*taken) != file.taken()) else {
                continue;
            };
            fewer = true;
            let (rows, are) = (HumanCount(first.feature_count() as u64), first.rows_are());
            let task = file.task();
            let line = format!("{task} between steps: {taken} examples, {rows} {are}");
            self.progress.note(&line);
        }
        fewer.then_some(files)
    }

    fn read(&self, name: &str, split: Split, head: &TaskHead) -> Result<Box<dyn TaskFile>, Error> {
        let config = self.config;
        let files = task(name, config).data_files(config, split);
        let first = files
            .first()
            .map_or(name.into(), |path| path.display().to_string());
        let bar = self.progress.busy(&format!("preparing {first}"));
        let file = task(name, config).read(split, None, &head.config, self.tokenizer, config)?;
        bar.finish_and_clear();
        for line in file.line(split).lines() {
            self.progress.note(line);
        }
        file.check_not_empty()?;
        Ok(file)
    }

    /// Refuses label smoothing for a task without classes.
    fn check_smoothing(&self) -> Result<(), Error> {
        let smoothing = self.config.label_smoothing;
        if !self.config.do_train || smoothing == 0.0 {
            return Ok(());
        }
        let mut heads = self.heads.iter();
        let found =
            heads.find_map(|head| Some((head.task.clone(), head.config.without_classes()?)));
        match found {
            None => Ok(()),
            Some((task, kind)) => Err(Error::NoClasses {
                smoothing,
                task,
                kind,
            }),
        }
    }

    /// Refuses a run without a step, which would write and score a randomly initialised head.
    fn check_steps(&self, features: &FeatureSet) -> Result<(), Error> {
        let config = self.config;
        let plan = BatchPlan::new(features.lengths(), self.plan_options(1))?;
        match plan.steps() {
            0 => Err(Error::NoStep {
                batches: plan.steps_per_epoch(),
                epochs: config.num_train_epochs,
                features: features.len(),
                batch_size: config.train_batch_size,
            }),
            _ => Ok(()),
        }
    }

    /// Where the run stopped on request, and what the next run does.
    fn stopped(&self, trial: usize, place: &str, next: &str) -> Error {
        let of = self.config.num_trials;
        let trial = match of {
            1 => String::new(),
            _ => format!(" in trial {trial} of {of}"),
        };
        let without = match self.restart {
            true => " without --restart",
            false => "",
        };
        Error::Stopped {
            place: format!("{place}{trial}"),
            next: format!("the same command{without} {next}"),
        }
    }
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        path,
        action,
        source,
    }
}

/// An error and its causes in one line.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}
