//! The model that a command is given.

use std::path::Path;

use crate::{
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
