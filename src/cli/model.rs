//! Finds the model given to a command.

use std::path::Path;

use crate::{
    fine_tuned::{Described, TaskChoice},
    model::folder::{self, Finder, ModelFolder},
    progress::Progress,
    user_cache,
};

/// Finds the record for `path`, with a progress bar while a checkpoint is converted and a line that says what
/// was written where. `home` is a run's `DIR/models/NAME`.
pub(super) fn find_model(
    path: &Path,
    home: Option<&Path>,
    progress: &Progress,
) -> Result<ModelFolder, folder::Error> {
    let bar = progress.bytes("converting");
    let found = Finder {
        home,
        cache: user_cache::folder(),
        note: &mut |line| progress.note(line),
        progress: &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        },
    }
    .find(path);
    bar.finish_and_clear();
    found
}

/// The fine-tuned model at `path`, converted if necessary and not yet opened; if it has several tasks, the
/// chosen one answers.
///
/// # Errors
/// If there is no model, or it has no description.
pub(super) fn describe_model(
    path: &Path,
    choice: TaskChoice<'_>,
    progress: &Progress,
) -> anyhow::Result<Described> {
    let found = find_model(path, None, progress)?;
    Ok(Described::of(&found, choice)?)
}

/// Reports which task answers, if the model has several and none was `given`.
pub(super) fn say_task(given: Option<&str>, described: &Described, progress: &Progress) {
    let tasks: Vec<&str> = described.tasks().collect();
    if given.is_none() && tasks.len() > 1 {
        progress.note(&format!(
            "using task {} of {}; --task NAME chooses another",
            described.task(),
            tasks.join(", ")
        ));
    }
}
