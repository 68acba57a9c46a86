//! The trials of a run: which are finished, and what is done with the others.

use std::path::{Path, PathBuf};

use super::{
    Error, Figures, Finetune, GOES_ON, RunData,
    identity::Identity,
    io,
    ledger::{Finished, Ledger, Model},
    left_files::{of_last, of_one, test_answers},
};
use crate::{
    batch::FeatureSet,
    eval::results::TrialResults,
    model::{folder, record},
    tensorboard::event_log::EventLog,
    train::{
        self, checkpoint, checksum::Checksum, log::jsonl, run::Trained, run_folder,
        run_lock::RunLock,
    },
};

/// Where a trial stands when its turn comes.
enum Standing {
    /// Finished, with these figures if the run evaluates.
    Finished(Option<TrialResults>),
    /// Trained to the end in so many steps, and to be evaluated.
    Trained(u64),
    /// To be trained, from its last checkpoint if it has one.
    Open,
}

impl Finetune<'_> {
    /// Trains and evaluates the trials that are not finished, and takes the figures of the others.
    pub(super) fn train_trials(
        &self,
        data: &RunData,
        features: &FeatureSet,
        figures: &mut Figures,
    ) -> Result<(), Error> {
        let config = self.config;
        let paths = config.paths();
        let mut locks = self.take_folders()?;
        let mut note = |line: String| self.progress.note(&line);
        let path = paths.trials();
        let mut ledger = Ledger::open(path.clone(), &mut note).map_err(io(&path, "reading"))?;
        let initial = match &config.init_checkpoint {
            Some(path) => self.open(path)?.identity().map_err(folder::Error::from)?,
            None => "none".to_owned(),
        };
        let (dev, between) = (&data.dev, data.between());
        let identity = Identity::of(config, &initial, features, dev, between, &data.test);
        let mut unwritten = false;
        for (trial, lock) in (1..=config.num_trials).zip(&mut locks) {
            let model_dir = paths.model_dir(trial);
            let standing = self.standing(trial, &ledger, &identity)?;
            if let Standing::Finished(scores) = standing {
                match config.num_trials {
                    1 => self
                        .progress
                        .note("the run is finished: nothing is left to do"),
                    _ => self.tell_trial(trial, ": finished before"),
                }
                figures
                    .report
                    .add_training(&model_dir, trial, self.progress);
                let tasks = scores.iter().flat_map(|scores| &scores.tasks);
                for (task, scores) in tasks {
                    self.progress.scores(trial, task, &scores.with_remark());
                }
                unwritten = scores.is_some();
                figures.trials.extend(scores);
            } else {
                if self.stop.is_asked() {
                    return Err(self.stopped(trial, "before the first step", GOES_ON));
                }
                self.tell_trial(trial, "");
                lock.enter()?;
                let Trained { model, steps } = match standing {
                    Standing::Trained(steps) => {
                        // It may answer in another way than before.
                        self.describe(&model_dir)?;
                        let mut stored = record::open(&model_dir.join("model.bpk"))
                            .map_err(folder::Error::from)?;
                        let model = self.build(trial, self.device, Some(&mut stored))?;
                        Trained { model, steps }
                    }
                    _ => self.train(trial, features, data.between(), identity.training(trial))?,
                };
                figures
                    .report
                    .add_training(&model_dir, trial, self.progress);
                let origin = self.origin(&model_dir, trial);
                figures.report.came_from(&origin);
                let scores = self.evaluate(&model, trial, &data.dev, &origin)?;
                if let Some(scores) = &scores {
                    // A curve of evaluations keeps its last point, which may be of other weights.
                    let (of, next) = match config.eval_every {
                        None => ("eval", steps),
                        Some(_) => ("final", steps + 1),
                    };
                    let mut events = EventLog::resume(&model_dir, next, self.progress);
                    events.evaluation(of, steps, scores);
                    figures.add(scores.clone())?;
                    self.calibrate(&model_dir, &data.dev, scores);
                    unwritten = false;
                }
                self.write_test_outputs(&model, trial, &data.test)?;
                let sum = |file: &PathBuf| Checksum::of(file).map_err(io(file, "reading"));
                let mut files = self.files_of(trial);
                files.extend(self.files_of_last());
                files.retain(|file| file.is_file());
                let finished = Finished {
                    steps,
                    training: identity.training(trial),
                    model: Model::Kept(sum(&model_dir.join("model.bpk"))?),
                    evaluation: identity.evaluation(trial),
                    results: scores.unwrap_or_default(),
                    files: files.iter().map(sum).collect::<Result<_, _>>()?,
                };
                ledger.set(trial, finished).map_err(io(&path, "writing"))?;
            }
            if !config.keep_all_models && trial < config.num_trials {
                self.remove_model(trial, &mut ledger, lock)?;
            }
        }
        if unwritten {
            figures.write()?;
        }
        Ok(())
    }

    /// Locks the folders of all trials, to the end of the run; with `restart`, moves what earlier
    /// runs have left there aside.
    fn take_folders(&self) -> Result<Vec<RunLock>, Error> {
        let paths = self.config.paths();
        let ledger = paths.trials();
        if let Some(parent) = ledger.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent, "creating"))?;
        }
        let folders = (1..=self.config.num_trials).map(|trial| paths.model_dir(trial));
        let mut locks = Vec::new();
        for folder in folders.clone() {
            locks.push(RunLock::take(&folder)?);
        }
        if self.restart {
            for (folder, lock) in folders.zip(&mut locks) {
                lock.leave();
                move_aside(&folder)?;
            }
            move_aside(&ledger)?;
        }
        Ok(locks)
    }

    /// Where a trial stands.
    fn standing(
        &self,
        trial: usize,
        ledger: &Ledger,
        identity: &Identity,
    ) -> Result<Standing, Error> {
        let config = self.config;
        let model_dir = config.paths().model_dir(trial);
        let record = model_dir.join("model.bpk");
        let has_checkpoints = !checkpoint::list(&model_dir).is_empty();
        let Some(finished) = ledger.get(trial) else {
            let foreign = run_folder::foreign_model(&model_dir);
            return match foreign.or_else(|| run_folder::foreign_log(&model_dir, jsonl::is_foreign))
            {
                Some(file) => Err(self.foreign(&model_dir, &file)),
                None => Ok(Standing::Open),
            };
        };
        let removed = !matches!(finished.model, Model::Kept(_));
        if !removed && !record.exists() {
            // Whoever removes a trial's folder wants it made anew.
            return Ok(Standing::Open);
        }
        let differing = finished.other_training(&identity.training(trial));
        if !differing.is_empty() {
            let other = checkpoint::Error::OtherRun {
                path: ledger.path().into(),
                keys: differing.join(", "),
            };
            return Err(train::run::Error::from(other).into());
        }
        if let Model::Kept(sum) = finished.model
            && Checksum::of(&record).map_err(io(&record, "reading"))? != sum
        {
            if !has_checkpoints {
                return Err(self.foreign(&model_dir, &record));
            }
            self.progress.note(&format!(
                "{} is not what the run has written: it is made again from the last checkpoint",
                record.display()
            ));
            return Ok(Standing::Open);
        }
        let evaluation = identity.evaluation(trial);
        let mut other = finished.other_evaluation(evaluation.as_ref());
        if removed && !other.is_empty() {
            return Err(Error::ModelGone {
                ledger: ledger.path().into(),
                trial,
                differing: other.join(", "),
            });
        }
        let mut wanted = self.files_of(trial);
        if trial == config.num_trials {
            wanted.extend(self.files_of_last());
        }
        let (lost, taken_by) = ledger.lost(trial, &wanted);
        other.extend(lost);
        if let Some(earlier) = taken_by.filter(|_| other.is_empty()) {
            other.push(format!(
                "the files without a trial's number hold the answers of trial {earlier}"
            ));
        }
        if !other.is_empty() {
            let other = other.join(", ");
            if !removed {
                self.progress
                    .note(&format!("trained before, and only evaluated now: {other}"));
                return Ok(Standing::Trained(finished.steps));
            }
            self.progress.note(&format!(
                "trial {trial}: {other}, and the model that could make it again has been removed"
            ));
        }
        let scores = config.do_eval.then(|| finished.results.clone());
        Ok(Standing::Finished(scores))
    }

    /// What the evaluation of a trial writes for that trial alone.
    fn files_of(&self, trial: usize) -> Vec<PathBuf> {
        let config = self.config;
        let mut files = match config.do_eval {
            true => of_one(config, trial),
            false => Vec::new(),
        };
        files.extend(test_answers(config, trial));
        files
    }

    /// What the evaluation of every trial writes, so that the last one's stays.
    fn files_of_last(&self) -> Vec<PathBuf> {
        match self.config.do_eval {
            true => of_last(self.config),
            false => Vec::new(),
        }
    }

    fn foreign(&self, model_dir: &Path, file: &Path) -> Error {
        Error::ForeignModel {
            model_dir: model_dir.into(),
            file: file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        }
    }

    /// Removes what a finished trial has left in its folder. That it is about to is noted first, so
    /// that a run that is killed meanwhile goes on with it and with nothing else.
    fn remove_model(
        &self,
        trial: usize,
        ledger: &mut Ledger,
        lock: &mut RunLock,
    ) -> Result<(), Error> {
        let model = ledger.get(trial).map(|finished| finished.model);
        if model == Some(Model::Removed) {
            return Ok(());
        }
        let model_dir = self.config.paths().model_dir(trial);
        let path = ledger.path().to_owned();
        ledger
            .set_model(trial, Model::Leaving)
            .map_err(io(&path, "writing"))?;
        lock.leave();
        run_folder::remove(&model_dir, &mut |line| self.progress.note(&line))?;
        ledger
            .set_model(trial, Model::Removed)
            .map_err(io(&path, "writing"))
    }
}

/// Renames what stands at `path`, if anything, to `path.old`, or to the first of `path.old2`, … that
/// is free.
fn move_aside(path: &Path) -> Result<(), Error> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let aside = run_folder::aside(path, "old");
    std::fs::rename(path, &aside).map_err(io(path, "moving aside"))
}
