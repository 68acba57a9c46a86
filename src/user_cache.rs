//! The folder for what can be made again: XDG_CACHE_HOME if it is set, else the system's place.

use std::path::PathBuf;

/// `electra` in the user's cache folder; `None` if the system names no such folder. It need not
/// exist.
pub fn folder() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    // Elsewhere than on Linux, the system's own place is another; a relative path counts nowhere.
    set.filter(|folder| folder.is_absolute())
        .or_else(dirs::cache_dir)
        .map(|folder| folder.join("electra"))
}
