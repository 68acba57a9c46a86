//! Answers and figures → the result files of a run.
//!
//! The files and their layout are the reference's (`T_results.txt`, `T_qa/<task>_preds.json`, …,
//! where T names the run's tasks), with the n-best lists and a JSON form of the results beside
//! them.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::error::Error;
use super::figures::Scores;
use super::json_file::{write_json, write_text};
use super::nbest::{NbestEntry, QuestionPrediction};
use super::question_map::QuestionMap;
use crate::config::{Config, Paths};

/// The figures of one trial: each task in turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrialResults {
    pub tasks: Vec<(String, Scores)>,
}

impl Serialize for TrialResults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.tasks.len()))?;
        for (task, scores) in &self.tasks {
            map.serialize_entry(task, scores)?;
        }
        map.end()
    }
}

/// The text of `T_results.txt`: a line for each trial and task, trials one after the other.
pub fn results_text(trials: &[TrialResults]) -> String {
    trials
        .iter()
        .flat_map(|trial| &trial.tasks)
        .map(|(task, scores)| format!("{task}: {}\n", scores.line()))
        .collect()
}

/// The predictions as files hold them: question id → answer.
pub fn answers(predictions: &[QuestionPrediction]) -> QuestionMap<String> {
    predictions
        .iter()
        .map(|prediction| (prediction.qas_id.clone(), prediction.text.clone()))
        .collect()
}

/// The null odds as files hold them: question id → score; empty unless the task has unanswerable
/// questions.
pub fn null_odds(predictions: &[QuestionPrediction]) -> QuestionMap<f64> {
    predictions
        .iter()
        .filter_map(|prediction| Some((prediction.qas_id.clone(), prediction.null_odds?)))
        .collect()
}

/// The n-best lists as files hold them: question id → entries, best first.
pub fn nbest(predictions: &[QuestionPrediction]) -> QuestionMap<&[NbestEntry]> {
    predictions
        .iter()
        .map(|prediction| (prediction.qas_id.clone(), prediction.nbest.as_slice()))
        .collect()
}

/// What is handed in for a test set: the answers, empty where the null odds exceed `threshold`.
pub fn test_outputs(predictions: &[QuestionPrediction], threshold: f64) -> QuestionMap<String> {
    predictions
        .iter()
        .map(|prediction| {
            let unanswered = prediction.null_odds.is_some_and(|odds| odds > threshold);
            let text = if unanswered { "" } else { &prediction.text };
            (prediction.qas_id.clone(), text.to_owned())
        })
        .collect()
}

/// The result files of a run, where its configuration has them.
#[derive(Debug, Clone, Copy)]
pub struct ResultFiles<'a> {
    paths: Paths<'a>,
}

impl<'a> ResultFiles<'a> {
    pub fn new(config: &'a Config) -> Self {
        ResultFiles {
            paths: config.paths(),
        }
    }

    /// Writes what was predicted for a task: answers, n-best lists and, where the task has
    /// unanswerable questions, null odds.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_predictions(
        &self,
        task: &str,
        predictions: &[QuestionPrediction],
    ) -> Result<(), Error> {
        write_json(&self.paths.qa_preds(task), &answers(predictions))?;
        write_json(&self.paths.qa_nbest(task), &nbest(predictions))?;
        if predictions
            .iter()
            .any(|prediction| prediction.null_odds.is_some())
        {
            write_json(&self.paths.qa_null_odds(task), &null_odds(predictions))?;
        }
        Ok(())
    }

    /// Writes the figures of the SQuAD 2.0 scorer as it writes them itself.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_eval(&self, task: &str, scores: &Scores) -> Result<(), Error> {
        write_json(&self.paths.qa_eval(task), scores)
    }

    /// Writes the figures of all trials so far.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_results(&self, trials: &[TrialResults]) -> Result<(), Error> {
        write_text(self.paths.results_txt(), &results_text(trials))?;
        write_json(&self.paths.results_json(), &trials)
    }
}
