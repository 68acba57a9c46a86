//! `<model_dir>_trials.json`: which trials of a run are finished, with their scores.
//!
//! A trial is recorded once all its files are on disk. A restarted run takes its scores from here, even if
//! its model has been removed (`keep_all_models`), and continues with the first trial that is not recorded.
//! Processes that share a run write the list in turn, each adding to what the others have recorded.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    durable_file::{rename, write_whole},
    eval::results::TrialResults,
    train::{
        checksum::Checksum,
        run_folder,
        run_identity::{differing_keys, differing_values},
    },
};

/// What happened to a trial's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Model {
    /// In the trial's folder.
    Kept(Checksum),
    /// About to be removed, or partly removed.
    Leaving,
    Removed,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Finished {
    pub steps: u64,
    /// What determined its training.
    pub training: Value,
    pub model: Model,
    /// What determined its evaluation; `None` if it was not evaluated.
    pub evaluation: Option<Value>,
    pub results: TrialResults,
    /// Checksums of the files that its evaluation wrote, wherever they are.
    pub files: Vec<Checksum>,
}

impl Finished {
    /// How its training differs from one with this identity.
    pub fn other_training(&self, training: &Value) -> Vec<String> {
        differing_keys(&self.training, training)
    }

    /// How its evaluation differs from one with this identity; empty if none is requested.
    pub fn other_evaluation(&self, evaluation: Option<&Value>) -> Vec<String> {
        match (evaluation, &self.evaluation) {
            (None, _) => Vec::new(),
            (Some(_), None) => vec!["it was not evaluated".to_owned()],
            (Some(wanted), Some(made)) => differing_values(made, wanted),
        }
    }

    /// Whether both trials can be part of one run's results: they may differ only in their seeds, and in
    /// whether they answered the test files.
    pub fn is_like(&self, other: &Self) -> bool {
        let without = |value: &Value, key: &str| {
            let mut value = value.clone();
            if let Some(map) = value.as_object_mut() {
                map.remove(key);
            }
            value
        };
        let [own, theirs] = [self, other].map(|one| without(&one.training, "trial_seed"));
        // Either may have been written by a version with fewer keys.
        let is_trained_alike =
            differing_keys(&own, &theirs).is_empty() || differing_keys(&theirs, &own).is_empty();
        let [own, theirs] = [self, other].map(|one| {
            let evaluation = one.evaluation.as_ref();
            evaluation.map(|evaluation| without(evaluation, "test_data"))
        });
        is_trained_alike && own == theirs
    }

    /// Whether a file exists and is unchanged since the evaluation wrote it.
    pub fn wrote(&self, file: &Path) -> bool {
        Checksum::of(file).is_ok_and(|sum| self.files.contains(&sum))
    }

    /// Whether all the files that the evaluation wrote are among these.
    pub fn is_whole_in(&self, files: &[PathBuf]) -> bool {
        let found: Vec<Checksum> = files
            .iter()
            .filter_map(|file| Checksum::of(file).ok())
            .collect();
        self.files.iter().all(|sum| found.contains(sum))
    }
}

/// The finished trials, by number.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    path: PathBuf,
    trials: BTreeMap<usize, Finished>,
}

impl Ledger {
    /// Reads the ledger at `path`, if it exists. A damaged one is moved aside, which is reported to `note`;
    /// trials are then looked for in their folders.
    pub fn open(path: PathBuf, note: &mut dyn FnMut(String)) -> io::Result<Self> {
        if let Some(ledger) = Self::read(&path)? {
            return Ok(ledger);
        }
        let aside = run_folder::aside(&path, "damaged");
        note(format!(
            "{} is damaged; kept as {}: finished trials are recognised only by their folders",
            path.display(),
            aside.display()
        ));
        rename(&path, &aside)?;
        Ok(Self {
            path,
            ..Self::default()
        })
    }

    /// Reads the ledger at `path`: without trials if it is missing, `None` if it is damaged.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let trials = match fs::read(path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        Ok(trials.map(|trials| Self {
            path: path.to_owned(),
            trials,
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn get(&self, trial: usize) -> Option<&Finished> {
        self.trials.get(&trial)
    }

    /// The numbers of the recorded trials.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.trials.keys().copied()
    }

    /// The trials that were evaluated, by number.
    pub fn evaluated(&self) -> BTreeMap<usize, &Finished> {
        let trials = self.trials.iter();
        let evaluated = trials.filter(|(_, finished)| !finished.results.tasks.is_empty());
        evaluated
            .map(|(trial, finished)| (*trial, finished))
            .collect()
    }

    /// Which of `files` are missing or have changed since the evaluation of a finished trial wrote them, in
    /// words. Excepts files that another trial has written since, because all trials use the reference's file
    /// names; also returns that trial.
    pub fn lost(&self, trial: usize, files: &[PathBuf]) -> (Vec<String>, Option<usize>) {
        let (mut lost, mut taken_by) = (Vec::new(), None);
        for file in files {
            // A device or a pipe stores nothing.
            let is_kept = file.is_file() || !file.exists();
            if !is_kept || self.get(trial).is_some_and(|own| own.wrote(file)) {
                continue;
            }
            let mut trials = self.trials.iter();
            match trials.find(|(_, finished)| finished.wrote(file)) {
                Some((other, _)) => taken_by = Some(*other),
                None => lost.push(format!("{} is gone or was changed", file.display())),
            }
        }
        (lost, taken_by)
    }

    /// Reads what other processes have recorded. A file damaged in the meantime is ignored, and rewritten
    /// from what was read before.
    pub fn refresh(&mut self) -> io::Result<()> {
        if let Some(found) = Self::read(&self.path)? {
            self.trials = found.trials;
        }
        Ok(())
    }

    /// Records how a trial ended. The caller of this method, or of the next two, must hold the turn to write
    /// the list.
    pub fn set(&mut self, trial: usize, finished: Finished) -> io::Result<()> {
        self.refresh()?;
        self.trials.insert(trial, finished);
        self.write()
    }

    /// Records what happened to a trial's model.
    pub fn set_model(&mut self, trial: usize, model: Model) -> io::Result<()> {
        self.refresh()?;
        if let Some(finished) = self.trials.get_mut(&trial) {
            finished.model = model;
        }
        self.write()
    }

    /// Removes a trial that is about to be trained again.
    pub fn forget(&mut self, trial: usize) -> io::Result<()> {
        self.refresh()?;
        match self.trials.remove(&trial) {
            Some(_) => self.write(),
            None => Ok(()),
        }
    }

    fn write(&self) -> io::Result<()> {
        let trials = json!(self.trials);
        let ledger = json!({"crc32c": sum(&trials), "trials": trials});
        write_whole(&self.path, |out| {
            Ok(serde_json::to_writer_pretty(out, &ledger)?)
        })
    }
}

fn sum(trials: &Value) -> u32 {
    crc32c::crc32c(trials.to_string().as_bytes())
}

fn parse(text: &[u8]) -> Option<BTreeMap<usize, Finished>> {
    let mut ledger: Value = serde_json::from_slice(text).ok()?;
    let trials = ledger.get_mut("trials")?.take();
    if ledger["crc32c"] != sum(&trials) {
        return None;
    }
    serde_json::from_value(trials).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished() -> Finished {
        let results = r#"{"squad": {"exact": 47.294751, "total": 600, "f1": 50.0}}"#;
        Finished {
            steps: 28,
            training: json!({"learning_rate": 5e-5, "seed": 1}),
            model: Model::Kept(Checksum {
                bytes: 3,
                crc32c: 7,
            }),
            evaluation: Some(json!({"n_best_size": 20})),
            results: serde_json::from_str(results).unwrap(),
            files: vec![Checksum {
                bytes: 2,
                crc32c: 5,
            }],
        }
    }

    #[test]
    fn what_is_noted_is_read_again_to_the_last_digit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model_trials.json");
        let open = || Ledger::open(path.clone(), &mut |note| panic!("{note}")).unwrap();
        let mut ledger = open();
        assert_eq!(ledger.get(1), None);
        let first = finished();
        ledger.set(1, first.clone()).unwrap();
        assert_eq!(open().get(1), Some(&first));
        ledger.set_model(1, Model::Removed).unwrap();
        assert_eq!(open().get(1).unwrap().model, Model::Removed);
    }

    #[test]
    fn what_another_process_noted_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model_trials.json");
        let open = || Ledger::open(path.clone(), &mut |note| panic!("{note}")).unwrap();
        let (mut one, mut other) = (open(), open());
        one.set(3, finished()).unwrap();
        other.set(1, finished()).unwrap();
        one.set_model(3, Model::Removed).unwrap();
        assert_eq!(open().numbers().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(open().get(3).unwrap().model, Model::Removed);
        other.forget(3).unwrap();
        other.forget(2).unwrap();
        assert_eq!(open().numbers().collect::<Vec<_>>(), [1]);
        one.refresh().unwrap();
        assert_eq!(one.get(3), None);
        // Damaged while the program runs.
        fs::write(&path, "{").unwrap();
        one.set(2, finished()).unwrap();
        assert_eq!(open().numbers().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn one_digit_that_changed_is_seen_and_the_file_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model_trials.json");
        let mut ledger = Ledger::open(path.clone(), &mut |_| {}).unwrap();
        ledger.set(1, finished()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"steps\": 28", "\"steps\": 29")).unwrap();
        let mut notes = Vec::new();
        let ledger = Ledger::open(path.clone(), &mut |note| notes.push(note)).unwrap();
        assert_eq!(ledger.get(1), None);
        assert!(notes[0].contains("is damaged"), "{notes:?}");
        assert!(folder.path().join("model_trials.json.damaged").is_file());
    }

    #[test]
    fn what_another_trial_wrote_is_not_told_as_lost() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let own = put("preds_2.json", "two");
        let (last, lists) = (put("preds.json", "two"), put("nbest.json", "two"));
        let wanted = [own.clone(), last.clone(), lists.clone()];
        let mut ledger = Ledger::open(folder.path().join("t.json"), &mut |_| {}).unwrap();
        for (trial, text) in [(1, "one"), (2, "two")] {
            let files = vec![Checksum::of(&put("text", text)).unwrap()];
            let finished = Finished {
                files,
                ..finished()
            };
            ledger.set(trial, finished).unwrap();
        }
        assert_eq!(ledger.lost(2, &wanted), (Vec::new(), None));
        // Trial 1 was evaluated again.
        put("preds.json", "one");
        put("nbest.json", "one");
        assert_eq!(ledger.lost(2, &wanted), (Vec::new(), Some(1)));
        let second = ledger.get(2).unwrap();
        assert!(second.is_whole_in(&wanted) && !second.is_whole_in(&wanted[1..]));
        fs::remove_file(&own).unwrap();
        put("nbest.json", "mine");
        let gone = |path: &Path| format!("{} is gone or was changed", path.display());
        let expected = vec![gone(&own), gone(&lists)];
        assert_eq!(ledger.lost(2, &wanted), (expected, Some(1)));
    }

    #[test]
    fn trials_of_one_run_differ_in_their_seeds_alone() {
        let of = |training: Value, evaluation: Value| Finished {
            training,
            evaluation: Some(evaluation),
            ..finished()
        };
        let training = |rate: f64, seed: u64| json!({"learning_rate": rate, "trial_seed": seed});
        let dev = |size: u64, test: Value| json!({"n_best_size": size, "test_data": test});
        let first = of(training(5e-5, 1), dev(20, json!("a test file")));
        assert!(first.is_like(&of(training(5e-5, 2), dev(20, Value::Null))));
        assert!(!first.is_like(&of(training(5e-5, 2), dev(5, Value::Null))));
        assert!(!first.is_like(&of(training(1e-4, 2), dev(20, Value::Null))));
        let unevaluated = Finished {
            evaluation: None,
            ..first.clone()
        };
        assert!(!first.is_like(&unevaluated));
    }

    #[test]
    fn another_training_and_another_evaluation_are_named() {
        let first = finished();
        let other = |wanted: &Value| first.other_evaluation(Some(wanted));
        assert_eq!(other(&json!({"n_best_size": 20})), [""; 0]);
        assert_eq!(first.other_evaluation(None), [""; 0]);
        assert_eq!(
            other(&json!({"n_best_size": 5})),
            ["n_best_size: 20 there, 5 now"]
        );
        let training = json!({"learning_rate": 1e-4, "seed": 1});
        assert_eq!(
            first.other_training(&training),
            ["learning_rate: 0.00005 there, 0.0001 now"]
        );
    }
}
