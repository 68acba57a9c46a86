//! Which kind of task a name, a file or a model's settings belong to: what is done of each kind by its
//! own folder.

use std::{collections::BTreeMap, path::Path};

use checkpoints_convert::{ConfigFile, DenseKind, DenseShape, HeadShape};

use super::{
    classification::run::TextTask,
    description::{self, Description},
    error::Error,
    head::{HeadConfig, TaskHead},
    qa::{no_answer::calibration, task::QuestionAnswering},
    registry::{self, Kind},
    tagging::run::WordTask,
    task::{Task, TaskFile},
};
use crate::{
    config::{Config, Paths},
    eval::{results::TrialResults, taken::Taken},
    report::Sections,
};

/// A task of a run, by its name.
pub fn task<'a>(name: &'a str, config: &Config) -> Box<dyn Task + 'a> {
    match kind(name, config) {
        Kind::Questions(_) => Box::new(QuestionAnswering::new(name)),
        Kind::Classification | Kind::Regression => Box::new(TextTask::new(name, config)),
        Kind::Tagging => Box::new(WordTask::new(name, config)),
    }
}

/// What kind a task is of: one of the engine's own, or a person's, which its description tells. A
/// description that cannot be read shows when its task is asked for its head.
fn kind(name: &str, config: &Config) -> Kind {
    if let Some(task) = registry::find(name) {
        return task.kind;
    }
    match Description::read(&config.paths().task_folder(name)) {
        Ok(description) if description.kind == description::Kind::Tagging => Kind::Tagging,
        _ => Kind::Classification,
    }
}

/// The heads of a run's tasks, in their order; `stored` are those of the checkpoint that it begins
/// with.
///
/// # Errors
/// As [`Task::head`], and when a person's description of a task contradicts the checkpoint.
pub fn heads(
    config: &Config,
    stored: &BTreeMap<String, HeadShape>,
) -> Result<Vec<TaskHead>, Error> {
    let tasks = config.task_names.iter();
    tasks
        .map(|name| {
            if let Some(HeadShape::Dense(dense)) = stored.get(name) {
                check_described(name, config, dense)?;
            }
            Ok(TaskHead {
                config: task(name, config).head(config, stored.get(name))?,
                task: name.clone(),
            })
        })
        .collect()
}

/// Refuses the description of a person's own task if it says otherwise than the checkpoint; none need be
/// there.
fn check_described(task: &str, config: &Config, stored: &DenseShape) -> Result<(), Error> {
    if registry::find(task).is_some() {
        return Ok(());
    }
    let Ok(description) = Description::read(&config.paths().task_folder(task)) else {
        return Ok(());
    };
    let differs = |expected, found: String, described: String| {
        Err(Error::OtherHead {
            task: task.to_owned(),
            expected,
            found: format!("{found}, where {} has {described}", description::FILE),
        })
    };
    let kind = stored.kind.map(|kind| match kind {
        DenseKind::Classification => description::Kind::Classification,
        DenseKind::Regression => description::Kind::Regression,
        DenseKind::Tagging => description::Kind::Tagging,
    });
    if let Some(found) = kind.filter(|found| *found != description.kind) {
        return differs(
            "the kind that the task is described as",
            found.name().to_owned(),
            description.kind.name().to_owned(),
        );
    }
    if let (Some(found), Some(described)) = (&stored.labels, &description.labels)
        && description.kind == description::Kind::Classification
        && found != described
    {
        return differs(
            "the labels that the task is described with",
            found.join(", "),
            described.join(", "),
        );
    }
    if let (Some(found), Some(described)) = (stored.range, description.range)
        && found != described
    {
        let [found, described] = [found, described].map(|[min, max]| format!("{min} to {max}"));
        return differs(
            "the range that the task is described with",
            found,
            described,
        );
    }
    Ok(())
}

/// The heads of a model that is asked, in the order of its tasks, as its record describes them: its data
/// need not be there.
///
/// # Errors
/// When the record does not say what is needed of a person's own task, or of the tags.
pub fn described_heads(
    config: &Config,
    stored: &BTreeMap<String, HeadShape>,
) -> Result<Vec<TaskHead>, Error> {
    let tasks = config.task_names.iter();
    tasks
        .map(|name| {
            let stored = stored.get(name);
            let by_name = match registry::find(name).map(|task| task.kind) {
                None | Some(Kind::Tagging) => None,
                Some(_) => Some(task(name, config).head(config, stored)?),
            };
            Ok(TaskHead {
                config: match by_name {
                    Some(head) => head,
                    None => HeadConfig::described(name, stored)?,
                },
                task: name.clone(),
            })
        })
        .collect()
}

/// What a report shows of the answers to these files, in their order, as the last trial or the one that
/// is named left them.
///
/// # Errors
/// When the answers cannot be read, or belong to other data.
pub fn sections<'a>(
    files: &'a [Box<dyn TaskFile>],
    paths: Paths<'_>,
    trial: Option<usize>,
) -> Result<Vec<Box<dyn Sections + 'a>>, Error> {
    let sections = files.iter().map(|file| file.sections(paths, trial));
    Ok(sections
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect())
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
        let mut lines = task(name, config).remarks(scores, config);
        if let Some(taken) = Taken::of(scores) {
            lines.push(format!(
                "{name}: of the first {taken} examples alone, as max_eval_examples says"
            ));
        }
        if !remarks.contains(&lines) {
            remarks.push(lines);
        }
    }
    remarks.concat()
}
