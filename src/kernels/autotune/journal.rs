//! What a process is trying, in a file of its own that is locked as long as the process lives.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::durable_file::sync_folder;

/// What a journal says once the form before it is done with.
pub(super) const DONE: &str = "-";

/// One process's.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Whether it names a form that is being tried.
    pub is_open: bool,
}

impl Journal {
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let named = tempfile::Builder::new()
            .prefix("trial-")
            .tempfile_in(folder)?;
        named.as_file().try_lock()?;
        let (file, path) = named.keep().map_err(|error| error.error)?;
        sync_folder(folder)?;
        Ok(Self {
            path,
            file,
            is_open: false,
        })
    }

    /// A line, on the disk before this returns: what a driver crashes may be the whole machine.
    pub fn write(&mut self, line: &str) {
        let mut write = || {
            self.file.write_all(format!("{line}\n").as_bytes())?;
            self.file.sync_data()
        };
        if let Err(error) = write() {
            log::debug!("{}: {error}", self.path.display());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.is_open {
            // On Windows only a file that nobody holds goes; the next process removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The journals whose processes are dead, locked.
pub(super) fn journals(folder: &Path) -> Vec<(PathBuf, File)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let journals =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("trial-"));
    journals
        .filter_map(|entry| {
            let file = File::options().read(true).write(true).open(entry.path());
            let file = file.ok().filter(|file| file.try_lock().is_ok())?;
            Some((entry.path(), file))
        })
        .collect()
}
