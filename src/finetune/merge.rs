//! Merges what the processes of a run have written: the scores of all trials in order, and the files with the
//! last trial's answers. Whatever the order in which the trials end, and on whatever machine, the result is
//! that of a single process that runs them one after the other.

use std::{collections::BTreeMap, path::Path};

use super::{
    Error, Finetune,
    figures::Figures,
    identity::Identity,
    io,
    ledger::{Finished, Ledger, Model},
    missing::Missing,
    trial_folder::is_trial,
};
use crate::{
    config::Paths,
    eval::results::TrialResults,
    tasks::last_trial::{keep_as_last, keep_as_own},
    train::run_lock::RunLock,
};

/// The scores of a run's finished and evaluated trials, by number, from the list of finished trials, if it is
/// readable. If `like` is given, only trials trained and evaluated as that one: a run's results contain no
/// others.
///
/// # Errors
/// If the list exists but the system does not allow it to be read.
pub fn finished_trials(
    paths: Paths<'_>,
    like: Option<usize>,
) -> std::io::Result<BTreeMap<usize, TrialResults>> {
    let Some(ledger) = Ledger::read(&paths.trials())? else {
        return Ok(BTreeMap::new());
    };
    let evaluated = ledger.evaluated();
    let like = like.and_then(|trial| evaluated.get(&trial).copied());
    let alike = evaluated
        .iter()
        .filter(|(_, own)| like.is_none_or(|like| own.is_like(like)));
    Ok(alike
        .map(|(trial, own)| (*trial, own.results.clone()))
        .collect())
}

impl Finetune<'_> {
    /// Refuses to run a single trial beside those of a run with other training data or settings. Without
    /// `--trial`, each trial is checked when its turn comes.
    pub(super) fn check_same_run(&self, identity: &Identity) -> Result<(), Error> {
        let path = self.config.paths().trials();
        let ledger = Ledger::read(&path).map_err(io(&path, "reading"))?;
        let (Some(own), Some(ledger)) = (self.trial, ledger) else {
            return Ok(());
        };
        let mut others = (1..=self.config.num_trials).filter(|trial| *trial != own);
        let found = others.find_map(|trial| match missing(&ledger, identity, trial) {
            Some(Missing::OtherTraining(differing)) => Some((trial, differing)),
            _ => None,
        });
        match found {
            Some((trial, differing)) => Err(Error::OtherTrial {
                ledger: path,
                trial,
                differing,
            }),
            None => Ok(()),
        }
    }

    /// Collects the scores of all finished trials, writes the files that contain all of them, and returns the
    /// missing trials. `ended` is the trial just evaluated by this process, if any. The caller must hold the
    /// turn.
    pub(super) fn merge(
        &self,
        ledger: &Ledger,
        identity: &Identity,
        figures: &mut Figures,
        ended: Option<usize>,
    ) -> Result<Vec<(usize, Missing)>, Error> {
        let (config, paths) = (self.config, self.config.paths());
        let mut lacking = Vec::new();
        let mut trials = BTreeMap::new();
        for trial in 1..=config.num_trials {
            if let Some(why) = missing(ledger, identity, trial) {
                lacking.push((trial, why));
                continue;
            }
            let model_dir = paths.model_dir(trial);
            figures
                .report
                .add_training(&model_dir, trial, self.progress);
            if let Some(Finished { results, .. }) = ledger.get(trial).filter(|_| config.do_eval) {
                trials.insert(trial, results.clone());
            }
        }
        // Whoever changes a trial's scores writes them.
        let is_written =
            ended.is_none() && figures.is_written && figures.trials.keys().eq(trials.keys());
        figures.trials = trials;
        let last = figures.trials.keys().next_back();
        if let Some(&last) = last.filter(|_| !is_written) {
            // A run with one trial wrote its answers without a number, and they are about to be replaced.
            for trial in ledger.numbers().filter(|_| config.num_trials > 1) {
                let wrote = |file: &Path| ledger.get(trial).is_some_and(|own| own.wrote(file));
                keep_as_own(config, trial, &wrote)?;
            }
            keep_as_last(config, last, ended == Some(last))?;
            figures.write()?;
        }
        Ok(lacking)
    }

    /// Removes the models of finished trials that the run does not keep, whoever trained them. One trial's
    /// folder stays, because it records the run's settings. The caller must hold the turn, and the lock of
    /// the trial `own`.
    pub(super) fn remove_models(
        &self,
        own: usize,
        ledger: &mut Ledger,
        lock: &mut RunLock,
        identity: &Identity,
    ) -> Result<(), Error> {
        let (trials, paths) = (self.config.num_trials, self.config.paths());
        for trial in 1..trials {
            // A model whose answers were lost can answer again.
            let is_here = |found: &Finished| {
                found.model != Model::Removed && found.is_whole_in(&self.files_of(trial))
            };
            let goes = missing(ledger, identity, trial).is_none()
                && ledger.get(trial).is_some_and(is_here);
            let mut others = (1..=trials).filter(|other| *other != trial);
            if !goes || !others.any(|other| is_trial(&paths.model_dir(other))) {
                continue;
            }
            if trial == own {
                self.remove_model(trial, ledger, lock)?;
            } else if let Ok(mut lock) = RunLock::take(&paths.model_dir(trial)) {
                self.remove_model(trial, ledger, &mut lock)?;
            }
        }
        Ok(())
    }
}

/// Why a trial is not part of the results; `None` if it is.
fn missing(ledger: &Ledger, identity: &Identity, trial: usize) -> Option<Missing> {
    let Some(finished) = ledger.get(trial) else {
        return Some(Missing::NotFinished);
    };
    let differing = finished.other_training(&identity.training(trial));
    if !differing.is_empty() {
        return Some(Missing::OtherTraining(differing.join(", ")));
    }
    let wanted = identity.evaluation(trial);
    let is_gone = !matches!(finished.model, Model::Kept(_));
    if wanted.is_some() && finished.evaluation.is_none() {
        return Some(Missing::NotEvaluated { is_gone });
    }
    let differing = finished.other_evaluation(wanted.as_ref());
    (!differing.is_empty()).then(|| Missing::OtherEvaluation {
        differing: differing.join(", "),
        is_gone,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn trials_that_were_evaluated_are_found_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"task_names": ["rte"], "num_trials": 3});
        let config = Config::resolve(folder.path(), "m", given.as_object().unwrap());
        let config = config.unwrap().0;
        let finished = || finished_trials(config.paths(), None).unwrap();
        assert!(finished().is_empty());
        let list = config.paths().trials();
        let folder_of_list = list.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder_of_list).unwrap();
        let mut ledger = Ledger::read(&list).unwrap().unwrap();
        for (trial, beams, results) in [
            (3, 20, json!({"rte": {"accuracy": 75.0}})),
            (1, 20, json!({"rte": {"accuracy": 50.0}})),
            (2, 20, json!({})),
            (4, 5, json!({"rte": {"accuracy": 60.0}})),
        ] {
            let noted = json!({
                "steps": 9, "training": {}, "model": "removed", "evaluation": {"beam_size": beams},
                "results": results, "files": [],
            });
            ledger
                .set(trial, serde_json::from_value(noted).unwrap())
                .unwrap();
        }
        let found = finished();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
        for (like, alike) in [(1, &[1_usize, 3][..]), (4, &[4])] {
            let found = finished_trials(config.paths(), Some(like)).unwrap();
            assert_eq!(found.into_keys().collect::<Vec<_>>(), alike, "{like}");
        }
        assert_eq!(found[&3].tasks[0].1.get("accuracy"), Some(75.0));
        // A damaged one says nothing, and stays.
        std::fs::write(&list, "{}").unwrap();
        assert!(finished().is_empty());
        assert_eq!(std::fs::read_to_string(&list).unwrap(), "{}");
    }
}
