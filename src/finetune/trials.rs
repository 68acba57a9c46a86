//! The trials of a run: which are finished, and how the others proceed.

use std::path::{Path, PathBuf};

use checkpoints_convert::CONFIG_FILE;

use super::{
    Error, Finetune, GOES_ON, RunData,
    claims::Claims,
    figures::Figures,
    identity::Identity,
    io,
    ledger::{Finished, Ledger, Model},
    left_files::{of_last, of_one, test_answers},
    missing::Missing,
};
use crate::{
    batch::FeatureSet,
    eval::results::TrialResults,
    model::{folder, record},
    tensorboard::event_log::EventLog,
    train::{
        self, checkpoint,
        checksum::Checksum,
        log::jsonl,
        run::Trained,
        run_folder,
        run_lock::{self, RunLock},
    },
};

/// The state of a trial when its turn comes.
enum Standing {
    /// Finished, with these scores if the run evaluates.
    Finished(Option<TrialResults>),
    /// Trained to the end, in this many steps; to be evaluated.
    Trained(u64),
    /// To be trained, from its last checkpoint if there is one.
    Open,
}

/// What all trials of a run share.
struct Common<'a> {
    data: &'a RunData,
    features: &'a FeatureSet<'a>,
    identity: Identity<'a>,
}

impl Finetune<'_> {
    /// Trains and evaluates the unfinished trials, takes the scores of the others, and returns the missing
    /// ones.
    pub(super) fn train_trials(
        &self,
        data: &RunData,
        features: &FeatureSet,
        figures: &mut Figures,
    ) -> Result<Vec<(usize, Missing)>, Error> {
        let config = self.config;
        let mut claims = self.claim()?;
        let initial = self.initial_weights()?;
        let (dev, between) = (&data.dev, data.between());
        let common = Common {
            data,
            features,
            identity: Identity::of(config, &initial, features, dev, between, &data.test),
        };
        self.compare(&common.identity)?;
        self.check_same_run(&common.identity)?;
        let mut ledger = self.open_ledger(&mut claims)?;
        for (trial, lock) in &mut claims.own {
            self.bring_to_its_end(*trial, lock, &common, &mut ledger, figures)?;
        }
        self.look_again(&mut claims, &common, &mut ledger, figures)?;
        let _turn = self.turn()?;
        ledger
            .refresh()
            .map_err(io(&config.paths().trials(), "reading"))?;
        let mut missing = self.merge(&ledger, &common.identity, figures, None)?;
        for (trial, why) in &mut missing {
            let holder = claims.elsewhere.remove(trial);
            if let Some(holder) = holder.filter(|_| *why == Missing::NotFinished) {
                *why = Missing::Elsewhere(holder);
            }
        }
        Ok(missing)
    }

    /// Takes over the trials that other processes were working on when this one started, if they have
    /// released them.
    fn look_again(
        &self,
        claims: &mut Claims,
        common: &Common,
        ledger: &mut Ledger,
        figures: &mut Figures,
    ) -> Result<(), Error> {
        let others: Vec<usize> = claims.elsewhere.keys().copied().collect();
        for trial in others {
            match RunLock::take(&self.config.paths().model_dir(trial)) {
                Ok(mut lock) => {
                    claims.elsewhere.remove(&trial);
                    let path = self.config.paths().trials();
                    ledger.refresh().map_err(io(&path, "reading"))?;
                    self.bring_to_its_end(trial, &mut lock, common, ledger, figures)?;
                    claims.own.insert(trial, lock);
                }
                Err(run_lock::Error::Held { holder, .. }) => {
                    claims.elsewhere.insert(trial, holder);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Trains and evaluates a trial, unless it is finished.
    fn bring_to_its_end(
        &self,
        trial: usize,
        lock: &mut RunLock,
        common: &Common,
        ledger: &mut Ledger,
        figures: &mut Figures,
    ) -> Result<(), Error> {
        let (config, paths) = (self.config, self.config.paths());
        let model_dir = paths.model_dir(trial);
        let standing = self.standing(trial, ledger, &common.identity)?;
        if let Standing::Finished(scores) = standing {
            match config.num_trials {
                1 => self
                    .progress
                    .note("the run is finished: nothing is left to do"),
                _ => self.tell_trial(trial, ": finished before"),
            }
            // Before its folder may be removed.
            figures
                .report
                .add_training(&model_dir, trial, self.progress);
            let tasks = scores.iter().flat_map(|scores| &scores.tasks);
            for (task, scores) in tasks {
                self.progress.scores(trial, task, &scores.with_remark());
            }
        } else {
            if self.stop.is_asked() {
                return Err(self.stopped(trial, "before the first step", GOES_ON));
            }
            self.tell_trial(trial, "");
            lock.enter()?;
            if matches!(standing, Standing::Open) {
                self.forget(trial, ledger)?;
            }
            let finished = self.run_trial(trial, &standing, common, figures)?;
            let _turn = self.turn()?;
            let path = ledger.path().to_owned();
            ledger.set(trial, finished).map_err(io(&path, "writing"))?;
            self.merge(ledger, &common.identity, figures, Some(trial))?;
        }
        if config.keep_all_models {
            return Ok(());
        }
        let _turn = self.turn()?;
        let path = ledger.path().to_owned();
        ledger.refresh().map_err(io(&path, "reading"))?;
        match self.trial {
            None if trial < config.num_trials => self.remove_model(trial, ledger, lock),
            None => Ok(()),
            Some(_) => self.remove_models(trial, ledger, lock, &common.identity),
        }
    }

    /// Trains a trial if necessary, evaluates it, and returns how it ended.
    fn run_trial(
        &self,
        trial: usize,
        standing: &Standing,
        common: &Common,
        figures: &mut Figures,
    ) -> Result<Finished, Error> {
        let config = self.config;
        let model_dir = config.paths().model_dir(trial);
        let (data, identity) = (common.data, &common.identity);
        let Trained { model, steps } = match standing {
            Standing::Trained(steps) => {
                // The heads or thresholds may be described differently than before.
                self.describe(&model_dir)?;
                if model_dir.join(run_folder::BEST).is_dir() {
                    self.describe_best(&model_dir)?;
                }
                let mut stored =
                    record::open(&model_dir.join("model.bpk")).map_err(folder::Error::from)?;
                let model = self.build(trial, self.device, Some(&mut stored))?;
                Trained {
                    model,
                    steps: *steps,
                }
            }
            _ => self.train(
                trial,
                common.features,
                data.between(),
                identity.training(trial),
            )?,
        };
        let origin = self.origin(&model_dir, trial);
        figures.report.came_from(&origin);
        let scores = self.evaluate(&model, trial, &data.dev, &origin)?;
        if let Some(scores) = &scores {
            // The curve of evaluations keeps its last point, which may be from other weights.
            let (of, next) = match config.eval_every {
                None => ("eval", steps),
                Some(_) => ("final", steps + 1),
            };
            let mut events = EventLog::resume(&model_dir, next, self.progress);
            events.evaluation(of, steps, scores);
            self.calibrate(&model_dir, &data.dev, scores);
        }
        self.write_test_outputs(&model, trial, &data.test)?;
        let sum = |file: &PathBuf| Checksum::of(file).map_err(io(file, "reading"));
        let mut files = self.files_of(trial);
        files.retain(|file| file.is_file());
        Ok(Finished {
            steps,
            training: identity.training(trial),
            model: Model::Kept(sum(&model_dir.join("model.bpk"))?),
            evaluation: identity.evaluation(trial),
            results: scores.unwrap_or_default(),
            files: files.iter().map(sum).collect::<Result<_, _>>()?,
        })
    }

    /// Removes a trial that will be trained again from the list. Otherwise other processes would consider it
    /// finished and, if this one is stopped, might delete its files.
    fn forget(&self, trial: usize, ledger: &mut Ledger) -> Result<(), Error> {
        if ledger.get(trial).is_none() {
            return Ok(());
        }
        let path = ledger.path().to_owned();
        let _turn = self.turn()?;
        ledger.forget(trial).map_err(io(&path, "writing"))
    }

    /// The state of a trial.
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
            // A user who deletes a trial's folder wants it trained again.
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
                "{} is not the file that the run wrote: it is written again from the last checkpoint",
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
        let wanted = self.files_of(trial);
        let (lost, taken_by) = ledger.lost(trial, &wanted);
        other.extend(lost);
        // Its evaluation describes the model again, and stores the threshold that it chooses.
        let best = Some(model_dir.join(run_folder::BEST)).filter(|best| best.is_dir());
        let mut folders = [Some(model_dir.clone()), best].into_iter().flatten();
        if let Some(file) = folders
            .find_map(|folder| undescribed(&folder))
            .filter(|_| !removed)
        {
            other.push(format!("{} is gone or damaged", file.display()));
        }
        if let Some(earlier) = taken_by.filter(|_| other.is_empty()) {
            other.push(format!(
                "the files without a trial's number hold the answers of trial {earlier}"
            ));
        }
        if !other.is_empty() {
            let other = other.join(", ");
            if !removed {
                let now = match config.do_eval {
                    true => "only evaluated now",
                    false => "not trained again",
                };
                self.progress
                    .note(&format!("trained before, and {now}: {other}"));
                return Ok(Standing::Trained(finished.steps));
            }
            self.progress.note(&format!(
                "trial {trial}: {other}, and the model that could write it again has been removed"
            ));
        }
        let scores = config.do_eval.then(|| finished.results.clone());
        Ok(Standing::Finished(scores))
    }

    /// The files that an evaluation writes for this trial alone.
    pub(super) fn files_of(&self, trial: usize) -> Vec<PathBuf> {
        let config = self.config;
        let mut files = match config.do_eval {
            true if config.num_trials == 1 => of_last(config),
            true => of_one(config, trial),
            false => Vec::new(),
        };
        files.extend(test_answers(config, trial));
        files
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

    /// Removes the folder of a finished trial. The intention is recorded first, so that a run that is killed
    /// meanwhile completes the removal and does nothing else with the folder. The caller must hold the turn.
    pub(super) fn remove_model(
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

/// The file beside the model in `model_dir` that no longer says what the model is.
fn undescribed(model_dir: &Path) -> Option<PathBuf> {
    let said = folder::config_file(model_dir).ok().flatten();
    let is_described = said.is_some_and(|said| {
        said.is_fine_tuned() && (!said.describes_model() || said.record().is_ok())
    });
    let has_vocabulary = model_dir.join("vocab.txt").is_file();
    let files = [(CONFIG_FILE, is_described), ("vocab.txt", has_vocabulary)];
    let mut files = files.into_iter();
    let (name, _) = files.find(|(_, is_right)| !is_right)?;
    Some(model_dir.join(name))
}
