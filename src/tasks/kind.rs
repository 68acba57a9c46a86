//! Which kind of task a name, a file or a model's settings belong to: what is done of each kind by its
//! own folder.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    error::Error,
    qa::{no_answer::calibration, report::TaskReport, task::QuestionAnswering},
    task::{FileOf, Task, TaskFile},
};
use crate::{
    config::{Config, Paths},
    eval::results::TrialResults,
    report::Sections,
};

/// The task of this name.
pub fn task(name: &str) -> impl Task + '_ {
    QuestionAnswering::new(name)
}

/// What a report shows of the answers to these files that lie in the places of the last trial.
///
/// # Errors
/// When the answers cannot be read.
pub fn sections(files: &[Box<dyn TaskFile>], paths: Paths<'_>) -> Result<impl Sections, Error> {
    let of_questions = files.iter().map(|file| match file.kind() {
        FileOf::Questions(data) => Ok(TaskReport::of_last(data, paths)?),
    });
    let reports: Vec<Option<TaskReport>> = of_questions.collect::<Result<_, Error>>()?;
    Ok(reports.into_iter().flatten().collect::<Vec<_>>())
}

/// What tasks have put into a model's `config.json` at `path` after training, and keep there if it is
/// written again.
pub fn kept(path: &Path, config: &Config) -> Map<String, Value> {
    calibration::kept_settings(path, config.qa_na_threshold)
}

/// What is to be said under the figures of all trials; trials that fare alike are told once.
pub fn remarks(trials: &[TrialResults], config: &Config) -> Vec<String> {
    let mut remarks: Vec<Vec<String>> = Vec::new();
    for (name, scores) in trials.iter().flat_map(|trial| &trial.tasks) {
        let lines = task(name).remarks(scores, config);
        if !remarks.contains(&lines) {
            remarks.push(lines);
        }
    }
    remarks.concat()
}
