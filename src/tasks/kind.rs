//! Dispatches by the kind of task that a name, a file or a model's settings belong to; each kind
//! has its own folder.

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

/// Returns a task of a run by name.
pub fn task<'a>(name: &'a str, config: &Config) -> Box<dyn Task + 'a> {
    match kind(name, config) {
        Kind::Questions(_) => Box::new(QuestionAnswering::new(name)),
        Kind::Classification | Kind::Regression => Box::new(TextTask::new(name, config)),
        Kind::Tagging => Box::new(WordTask::new(name, config)),
    }
}

/// Returns the kind of a task: one of the engine's own, or a user-defined one, according to its
/// description. An unreadable description is reported when the task is asked for its head.
fn kind(name: &str, config: &Config) -> Kind {
    if let Some(task) = registry::find(name) {
        return task.kind;
    }
    match Description::read(&config.paths().task_folder(name)) {
        Ok(description) if description.kind == description::Kind::Tagging => Kind::Tagging,
        _ => Kind::Classification,
    }
}

/// Returns the heads of a run's tasks, in order; `stored` are those of the checkpoint from which it
/// starts.
///
/// # Errors
/// As for [`Task::head`], and if the description of a user-defined task contradicts the checkpoint.
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

/// Rejects the description of a user-defined task if it contradicts the checkpoint; there need not
/// be one.
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

/// Returns the heads of a model that is asked, in the order of its tasks, as its record describes
/// them; its data need not be present.
///
/// # Errors
/// If the record does not say enough about a user-defined task or about the tags.
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

/// Returns what a report shows of the answers to these files, in order, as left by the last trial
/// or the given one.
///
/// # Errors
/// If the answers cannot be read or belong to other data.
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

/// Carries over what tasks put into the `config.json` at `path` after training, when that file is
/// written again.
pub fn keep(described: &mut ConfigFile, path: &Path, config: &Config) {
    if let Some(calibration) = calibration::kept(path, config.qa_na_threshold) {
        calibration.keep_in(described);
    }
}

/// Returns the remarks to show below the metrics of all trials; identical remarks are shown once.
pub fn remarks(trials: &[TrialResults], config: &Config) -> Vec<String> {
    let mut remarks: Vec<Vec<String>> = Vec::new();
    for (name, scores) in trials.iter().flat_map(|trial| &trial.tasks) {
        let mut lines = task(name, config).remarks(scores, config);
        if let Some(taken) = Taken::of(scores) {
            lines.push(format!(
                "{name}: only the first {taken} examples (max_eval_examples)"
            ));
        }
        if !remarks.contains(&lines) {
            remarks.push(lines);
        }
    }
    remarks.concat()
}
