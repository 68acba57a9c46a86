//! What determines a run's numbers. A run neither resumes from a checkpoint nor reuses a finished trial whose
//! identity differs.

use serde_json::{Map, Value, json};

use crate::{
    batch::{FeatureSet, Row},
    config::Config,
    tasks::task::TaskFile,
};

/// What determines the numbers of a run's trials.
pub(super) struct Identity<'a> {
    config: &'a Config,
    training: Value,
    /// `None` if nothing is evaluated.
    dev: Option<Value>,
    /// `None` if no test file is answered.
    test: Option<Value>,
}

impl<'a> Identity<'a> {
    /// `initial`: identity of the initial weights, wherever they are stored; `between`: the files that are
    /// scored during training.
    pub fn of(
        config: &'a Config,
        initial: &str,
        train: &FeatureSet,
        dev: &[Box<dyn TaskFile>],
        between: &[Box<dyn TaskFile>],
        test: &[(usize, Box<dyn TaskFile>)],
    ) -> Self {
        let mut training = training_hparams(config, train);
        training["initial_weights"] = initial.into();
        let dev = files(dev.iter().map(Box::as_ref));
        if let Some(best_weights) = training.get_mut("best_weights") {
            best_weights["dev_data"] = json!(files(between.iter().map(Box::as_ref)));
        }
        Self {
            config,
            training,
            dev,
            test: files(test.iter().map(|(_, file)| file.as_ref())),
        }
    }

    /// What determines the training of a trial.
    pub fn training(&self, trial: usize) -> Value {
        let mut training = self.training.clone();
        training["trial_seed"] = self.config.trial_seed(trial).into();
        training
    }

    /// What, besides its training, determines a trial's answers and scores; `None` if there are none.
    pub fn evaluation(&self, trial: usize) -> Option<Value> {
        let test = match trial <= self.config.n_writes_test {
            true => self.test.as_ref(),
            false => None,
        };
        if self.dev.is_none() && test.is_none() {
            return None;
        }
        let mut evaluation = self.config.decides_evaluation();
        evaluation.insert("dev_data".into(), json!(self.dev));
        evaluation.insert("test_data".into(), json!(test));
        Some(evaluation.into())
    }
}

/// Features and gold answers of each task's file; `None` without a file.
fn files<'a>(files: impl Iterator<Item = &'a dyn TaskFile>) -> Option<Value> {
    // Two examples with the same features may have different answers.
    let digests = files.map(|file| {
        let features = digest(file.rows());
        (
            file.task().to_owned(),
            json!([features, file.gold_digest()]),
        )
    });
    let digests: Map<String, Value> = digests.collect();
    (!digests.is_empty()).then_some(Value::Object(digests))
}

/// What determines a training run's numbers, its features included: a run does not resume from a checkpoint
/// in which this differs.
fn training_hparams(config: &Config, train: &FeatureSet) -> Value {
    let mut hparams = config.decides_training();
    let digest = digest(train.rows());
    hparams.insert("training_data".into(), digest.into());
    hparams.into()
}

/// Number and checksum of all features.
fn digest<'a>(features: impl Iterator<Item = Row<'a>>) -> String {
    let (mut count, mut sum) = (0, 0);
    for row in features {
        count += 1;
        let ids = row.input_ids.iter().copied();
        for word in ids.chain(row.label.words()) {
            sum = crc32c::crc32c_append(sum, &word.to_le_bytes());
        }
    }
    format!("{count} features, crc32c {sum:08x}")
}
