//! Journal of what a process is trying: a file of its own, locked for as long as the process lives.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::durable_file::sync_folder;

/// Written once the previous form's trial is over.
pub(super) const DONE: &str = "-";

/// The journal of one process.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Whether it names a form whose trial is still running.
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

    /// Appends a line, and syncs it to disk before returning if it is to be durable: a driver crash may take
    /// down the whole machine.
    pub fn write(&mut self, line: &str, durable: bool) {
        let mut write = || {
            self.file.write_all(format!("{line}\n").as_bytes())?;
            match durable {
                true => self.file.sync_data(),
                false => Ok(()),
            }
        };
        if let Err(error) = write() {
            log::debug!("{}: {error}", self.path.display());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.is_open {
            // Windows only removes a file that nobody holds open; otherwise the next process
            // removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns the journals of dead processes, locked.
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
