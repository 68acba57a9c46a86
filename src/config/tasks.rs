//! Checks the tasks that a run names: each must be known and occur once.

use std::path::Path;

use super::{
    error::{Error, shorten},
    table::Config,
};
use crate::tasks::registry::{self, UnknownTask};

/// Checks the names of the model and of the tasks; `heads` are tasks that the model has heads for.
pub(super) fn check(config: &Config, heads: &[&str]) -> Result<(), Error> {
    if config.model_name.is_empty() {
        return Err(Error::NoModelName {
            models: config.data_dir.join("models"),
        });
    }
    if config.task_names.is_empty() {
        let known = registry::names();
        return Err(Error::NoTask { known });
    }
    for (i, task) in config.task_names.iter().enumerate() {
        if !registry::is_name(task) {
            let must = "a task's name is that of its folder in finetuning_data: without slashes, backslashes, \
                        commas and control characters, and not starting with a dot";
            return Err(Error::out_of_range("task_names", shorten(task), must));
        }
        // A user's own task has a description beside its data.
        let described = config.paths().task_folder(task).join("task.json");
        if !described.is_file() && !heads.contains(&task.as_str()) {
            let folder = described.parent().filter(|folder| folder.is_dir());
            registry::expect(task).map_err(|unknown| match folder {
                Some(folder) if !task.is_empty() => Error::NoDescription {
                    folder: folder.to_owned(),
                },
                _ => Error::from(UnknownTask {
                    task: shorten(task),
                    own: own_tasks(&described),
                    ..unknown
                }),
            })?;
        }
        if config.task_names[..i].contains(task) {
            let must = "each task can be given only once; leave the second out";
            return Err(Error::out_of_range("task_names", task, must));
        }
    }
    Ok(())
}

/// Returns up to ten of the user's own tasks in the folder where the description `described` was
/// expected.
fn own_tasks(described: &Path) -> Vec<String> {
    let folder = described.parent().and_then(Path::parent);
    let entries = folder.and_then(|folder| folder.read_dir().ok());
    let mut own: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let name = folder.file_name()?.to_str()?;
            folder.join("task.json").is_file().then(|| shorten(name))
        })
        .collect();
    own.sort();
    own.truncate(10);
    own
}
