//! The folder in which a conversion builds its files: they are written to `OUT/.converting`, and
//! all renamed into place once everything is on disk. A conversion that fails leaves OUT as it was;
//! one that was killed leaves a folder that the next one removes. OUT may be untrusted: a folder of
//! that name is removed only if it holds nothing but files that a conversion leaves, and no link is
//! followed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, bundle};

/// Name of the folder inside OUT.
pub(crate) const FOLDER: &str = ".converting";
const LOCK: &str = "lock";

/// The files that a conversion or an export writes, and the prefixes of other such files.
const OWN_FILES: [&str; 13] = [
    LOCK,
    "model.bpk",
    "model.safetensors",
    "model.ckpt.index",
    "checkpoint",
    "config.json",
    "conversion.json",
    "export.json",
    "README.md",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];
const OWN_BEGINNINGS: [&str; 4] = [
    "model.bpk.",
    "model.ckpt.data-",
    "model.ckpt.index.",
    bundle::TEMPORARY,
];

/// Files that are being built for `out`.
pub(crate) struct Staging {
    out: PathBuf,
    folder: PathBuf,
    /// Held until the end, because two conversions into one folder would mix their files.
    lock: Option<File>,
    created_out: bool,
}

impl Staging {
    /// Prepares to write into `out`, which is created if it does not exist.
    pub fn create(out: &Path) -> Result<Self, Error> {
        let created_out = !out.exists();
        fs::create_dir_all(out).map_err(|source| failed(out, source))?;
        let folder = out.join(FOLDER);
        remove_left_over(out, &folder)?;
        // Fails if anything has that name by now, even a link.
        fs::create_dir(&folder).map_err(|source| failed(&folder, source))?;
        let mut staging = Self {
            out: out.into(),
            folder,
            lock: None,
            created_out,
        };
        let lock = staging.create_file(LOCK)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(busy(out)),
            // Some network file systems have no locks; the conversion itself does not need one.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        staging.lock = Some(lock);
        Ok(staging)
    }

    /// Returns the folder in which all files are written.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns where to write the file `name`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a small file and flushes it to disk.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.create_file(name)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|source| failed(&self.out.join(name), source))
    }

    fn create_file(&self, name: &str) -> Result<File, Error> {
        File::create_new(self.path(name)).map_err(|source| failed(&self.out.join(name), source))
    }

    /// Rewrites an error to name the final path of the file: the user does not know the staging
    /// folder, and nothing stays there.
    pub fn in_place(&self, error: Error) -> Error {
        let named = |file: String| match Path::new(&file).strip_prefix(&self.folder) {
            Ok(name) => self.out.join(name).display().to_string(),
            Err(_) => file,
        };
        match error {
            Error::Write { file, source } => Error::Write {
                file: named(file),
                source,
            },
            Error::Record { file, source } => Error::Record {
                file: named(file),
                source,
            },
            Error::ReadRecord { file, source } => Error::ReadRecord {
                file: named(file),
                source,
            },
            Error::Bundle(bundle::Error::Write { file, source }) => bundle::Error::Write {
                file: named(file),
                source,
            }
            .into(),
            Error::WriterStopped { file } => Error::WriterStopped { file: named(file) },
            other => other,
        }
    }

    /// Gives the files their places, in this order, once the files that are `stale` are gone.
    pub fn publish_without(self, names: &[&str], stale: &[&str]) -> Result<(), Error> {
        for name in stale {
            let old = self.out.join(name);
            match fs::remove_file(&old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unpublished(&old, error));
                }
                _ => {}
            }
        }
        for name in names {
            let to = self.out.join(name);
            keep_mode(&to, &self.path(name)).map_err(|source| unpublished(&to, source))?;
            fs::rename(self.path(name), &to).map_err(|source| unpublished(&to, source))?;
        }
        sync_folder(&self.out).map_err(|source| unpublished(&self.out, source))
    }
}

impl Drop for Staging {
    /// Best effort: the next conversion removes what is left behind.
    fn drop(&mut self) {
        // Some systems cannot remove an open file.
        drop(self.lock.take());
        let _ = fs::remove_dir_all(&self.folder);
        if self.created_out {
            // Fails, as intended, once files have been put there.
            let _ = fs::remove_dir(&self.out);
        }
    }
}

/// Returns whether `folder` has the name and the files of a staging folder, and nothing else.
pub(crate) fn is_left_over(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == FOLDER) && own_files(folder).is_ok()
}

/// Removes what a killed conversion left at `folder`.
fn remove_left_over(out: &Path, folder: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let files = own_files(folder)?;
    let lock = folder.join(LOCK);
    if files.contains(&lock) {
        let file = File::options().write(true).open(&lock);
        let file = file.map_err(|source| failed(&lock, source))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(busy(out));
        }
    }
    for file in files {
        fs::remove_file(&file).map_err(|source| failed(&file, source))?;
    }
    fs::remove_dir(folder).map_err(|source| failed(folder, source))
}

/// Returns the files in a folder that a killed conversion may have left.
///
/// # Errors
/// If it is not a folder, or holds anything else, in which case its owner is unknown.
fn own_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let foreign = |path: &Path| Error::Staging {
        file: path.display().to_string(),
    };
    let unreadable = |source| failed(folder, source);
    if !fs::symlink_metadata(folder).map_err(unreadable)?.is_dir() {
        return Err(foreign(folder));
    }
    // Without a lock file, only its name would identify an old temporary file.
    let has_lock = fs::symlink_metadata(folder.join(LOCK)).is_ok_and(|data| data.is_file());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // The type of the entry itself, not of a link's target.
        let is_file = entry.file_type().map_err(unreadable)?.is_file();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_own = OWN_FILES.contains(&&*name)
            || OWN_BEGINNINGS.iter().any(|begin| name.starts_with(begin))
            || (has_lock && is_old_temporary(&name));
        if !is_file || !is_own {
            return Err(foreign(&entry.path()));
        }
        files.push(entry.path());
    }
    Ok(files)
}

/// Returns whether an earlier version's export may have given this name to a temporary file.
fn is_old_temporary(name: &str) -> bool {
    name.strip_prefix(".tmp")
        .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn busy(out: &Path) -> Error {
    Error::Busy {
        file: out.display().to_string(),
    }
}

/// Serializes to pretty JSON with a final newline.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    // Serialization fails only for a map whose keys are not strings, which no type written here
    // has.
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

/// Gives the file `new` the permissions of the one that it replaces; a link has none of its own.
#[cfg(unix)]
fn keep_mode(old: &Path, new: &Path) -> io::Result<()> {
    match fs::symlink_metadata(old) {
        Ok(data) if data.is_file() => fs::set_permissions(new, data.permissions()),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn keep_mode(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Flushes the folder, since a rename is durable only then.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, Unsupported};
    match File::open(folder)?.sync_all() {
        // Not every network file system supports it.
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported) => Ok(()),
        done => done,
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_place_that_a_file_was_to_have() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::create(folder.path()).unwrap();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let bundle = bundle::Error::Write {
            file: staging.path("model.index").display().to_string(),
            source: full(),
        };
        for (error, name) in [
            (failed(&staging.path("model.bpk"), full()), "model.bpk"),
            (bundle.into(), "model.index"),
        ] {
            let message = staging.in_place(error).to_string();
            let place = folder.path().join(name).display().to_string();
            assert!(message.starts_with(&format!("{place}: ")), "{message}");
        }
    }
}
