//! Which kind of task a name, a file or a model's settings belong to: what is done of each kind by its
//! own folder.

use std::path::Path;

use checkpoints_convert::ConfigFile;

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

/// Keeps in a model's `config.json`, which is written again, what tasks have put into the one at
/// `path` after training.
pub fn keep(described: &mut ConfigFile, path: &Path, config: &Config) {
    if let Some(calibration) = calibration::kept(path, config.qa_na_threshold) {
        calibration.keep_in(described);
    }
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
