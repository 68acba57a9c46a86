//! The model that a command is given.

use std::path::Path;

use crate::{
    fine_tuned::{Described, TaskChoice},
    model::folder::{self, Finder, ModelFolder},
    progress::Progress,
    user_cache,
};

/// Finds the record that `path` stands for, with a bar while a checkpoint is converted and a line
/// about what was written where. `home` is `DIR/models/NAME` of a run.
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

/// The fine-tuned model at `path`, converted if need be and not opened yet; of several tasks the chosen
/// one answers.
///
/// # Errors
/// No model there, or one that does not say what it is.
pub(super) fn describe_model(
    path: &Path,
    choice: TaskChoice<'_>,
    progress: &Progress,
) -> anyhow::Result<Described> {
    let found = find_model(path, None, progress)?;
    Ok(Described::of(&found, choice)?)
}

/// Says which task answers, where the model has several and none was `given`.
pub(super) fn say_task(given: Option<&str>, described: &Described, progress: &Progress) {
    let tasks: Vec<&str> = described.tasks().collect();
    if given.is_none() && tasks.len() > 1 {
        progress.note(&format!(
            "task {} answers, of {}; --task NAME chooses another",
            described.task(),
            tasks.join(", ")
        ));
    }
}
