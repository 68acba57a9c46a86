//! What decides a run's numbers: a checkpoint or a finished trial of another is not gone on from.

use serde_json::{Map, Value, json};

use crate::{
    config::Config,
    tasks::qa::{evaluate::TaskData, scorers::gold::gold},
};

/// What decides the numbers of a run's trials.
pub(super) struct Identity<'a> {
    config: &'a Config,
    training: Value,
    /// `None` if nothing is evaluated.
    dev: Option<Value>,
    /// `None` if no test file is answered.
    test: Option<Value>,
}

impl<'a> Identity<'a> {
    /// `initial`: what the weights are that the run begins with, wherever they lie.
    pub fn of(
        config: &'a Config,
        initial: &str,
        train: &[TaskData],
        dev: &[TaskData],
        test: &[(usize, TaskData)],
    ) -> Self {
        let mut training = training_hparams(config, train);
        training["initial_weights"] = initial.into();
        Self {
            config,
            training,
            dev: files(dev.iter()),
            test: files(test.iter().map(|(_, data)| data)),
        }
    }

    /// What decides the training of a trial.
    pub fn training(&self, trial: usize) -> Value {
        let mut training = self.training.clone();
        training["trial_seed"] = self.config.trial_seed(trial).into();
        training
    }

    /// What decides a trial's answers and figures beside its training; `None` if there are none.
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
fn files<'a>(data: impl Iterator<Item = &'a TaskData>) -> Option<Value> {
    let mut files = Map::new();
    for task in data {
        // Two questions with the same features may have other answers.
        let gold = task.questions.as_ref().map(gold).unwrap_or_default();
        let mut sum = 0;
        for question in &gold {
            let answers = question.answers.iter().map(String::as_str);
            for text in [question.id.as_str()].into_iter().chain(answers) {
                sum = crc32c::crc32c_append(sum, text.as_bytes());
                sum = crc32c::crc32c_append(sum, &[0]);
            }
        }
        let gold = format!("{} questions, crc32c {sum:08x}", gold.len());
        let features = digest(std::slice::from_ref(task));
        files.insert(task.task.clone(), json!([features, gold]));
    }
    (!files.is_empty()).then_some(Value::Object(files))
}

/// What decides a training run's numbers, its features included: a checkpoint of another run is not
/// gone on from.
fn training_hparams(config: &Config, data: &[TaskData]) -> Value {
    let mut hparams = config.decides_training();
    hparams.insert("training_data".into(), digest(data).into());
    hparams.into()
}

/// Number and checksum of all features.
fn digest(data: &[TaskData]) -> String {
    let features = data.iter().flat_map(|data| &data.features);
    let (mut count, mut sum) = (0, 0);
    for feature in features {
        count += 1;
        let places = [
            feature.start,
            feature.end,
            usize::from(feature.is_impossible),
        ];
        let words = feature.input_ids.iter().copied();
        for word in words.chain(places.map(|place| place as u32)) {
            sum = crc32c::crc32c_append(sum, &word.to_le_bytes());
        }
    }
    format!("{count} features, crc32c {sum:08x}")
}
