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

/// What people call the checkpoint at `path`, whose record lies elsewhere: its folder, zip or prefix.
pub(super) fn name_of(path: &Path) -> String {
    let is_zip = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    let name = match is_zip {
        true => path.file_stem(),
        false => path.file_name(),
    };
    name.unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
