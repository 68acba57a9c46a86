//! The folder in which a conversion builds its files before they get their places: files enter
//! `OUT/.converting`, and leave all together by renaming once everything is on the disk. A
//! conversion that fails leaves OUT as it was; one that was killed leaves a folder that the next
//! one clears.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;

/// Inside of OUT.
pub(crate) const FOLDER: &str = ".converting";
const LOCK: &str = "lock";

/// Files on their way to `out`.
pub(crate) struct Staging {
    out: PathBuf,
    folder: PathBuf,
    /// Held until the end: two conversions into one folder would mix.
    lock: Option<File>,
    created_out: bool,
}

impl Staging {
    /// Prepares to write into `out`, which is made where it does not exist.
    pub fn create(out: &Path) -> Result<Self, Error> {
        let created_out = !out.exists();
        fs::create_dir_all(out).map_err(|source| failed(out, source))?;
        let folder = out.join(FOLDER);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(&folder, error));
            }
            _ => {}
        }
        let lock = folder.join(LOCK);
        let file = File::create(&lock).map_err(|source| failed(&lock, source))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Busy {
                    file: out.display().to_string(),
                });
            }
            // Some network file systems have no locks; the conversion itself does not need one.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let staging = Self {
            out: out.into(),
            folder,
            lock: Some(file),
            created_out,
        };
        staging.clear()?;
        Ok(staging)
    }

    /// Where all files are written.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where to write the file `name`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a small file and flushes it to the disk.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(name);
        File::create(&path)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(|source| failed(&path, source))
    }

    /// Gives the files their places, in this order.
    pub fn publish(self, names: &[&str]) -> Result<(), Error> {
        for name in names {
            let to = self.out.join(name);
            fs::rename(self.path(name), &to).map_err(|source| unpublished(&to, source))?;
        }
        sync_folder(&self.out).map_err(|source| unpublished(&self.out, source))
    }

    /// Removes what a killed conversion left.
    fn clear(&self) -> Result<(), Error> {
        let entries = fs::read_dir(&self.folder).map_err(|source| failed(&self.folder, source))?;
        for entry in entries.flatten().filter(|entry| entry.file_name() != LOCK) {
            fs::remove_file(entry.path()).map_err(|source| failed(&entry.path(), source))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    /// Best effort: what stays behind is cleared by the next conversion.
    fn drop(&mut self) {
        // Some systems cannot remove a file that is open.
        drop(self.lock.take());
        let _ = fs::remove_dir_all(&self.folder);
        if self.created_out {
            // Fails, as it should, once the files or anything else have been put there.
            let _ = fs::remove_dir(&self.out);
        }
    }
}

/// Pretty JSON with a final newline.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    // No type that is written has a map with keys that are not strings, the only thing that could
    // fail.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Write {
        file: path.display().to_string(),
        source,
    }
}

fn unpublished(path: &Path, source: io::Error) -> Error {
    Error::Publish {
        file: path.display().to_string(),
        source,
    }
}

/// A rename is on the disk only once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
