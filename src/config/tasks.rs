//! The tasks that a run names: known ones, each once.

use super::{
    error::{Error, shorten},
    table::Config,
};
use crate::tasks::registry::{self, UnknownTask};

/// Checks the names of the model and of the tasks.
pub(super) fn check(config: &Config) -> Result<(), Error> {
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
        // A person's own task is one with a description beside its data.
        let described = config.paths().task_folder(task).join("task.json");
        if !described.is_file() {
            let folder = described.parent().filter(|folder| folder.is_dir());
            registry::expect(task).map_err(|unknown| match folder {
                Some(folder) if !task.is_empty() => Error::NoDescription {
                    folder: folder.to_owned(),
                },
                _ => Error::from(UnknownTask {
                    task: shorten(task),
                    ..unknown
                }),
            })?;
        }
        if config.task_names[..i].contains(task) {
            let must = "each task can be learnt once; leave the second out";
            return Err(Error::out_of_range("task_names", task, must));
        }
    }
    Ok(())
}
