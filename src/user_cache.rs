//! Finds the folder for data that can be regenerated: XDG_CACHE_HOME if set, otherwise the
//! system's.

use std::path::PathBuf;

/// Returns `electra` in the user's cache folder, which need not exist; `None` if the system defines
/// no such folder.
pub fn folder() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    // The system's default differs outside Linux; a relative path is invalid everywhere.
    set.filter(|folder| folder.is_absolute())
        .or_else(dirs::cache_dir)
        .map(|folder| folder.join("electra"))
}
