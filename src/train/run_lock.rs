//! One run at a time in a folder: the system's locks on two files, which end with the process
//! whatever ends that.
//!
//! `<folder>.lock` stands beside the folder, so that it holds while the folder is made, moved aside or
//! removed; `<folder>/.lock` stands in it, so that it holds on whatever path others come, through a
//! link or a second mount.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Name of the lock inside of the folder.
pub const INSIDE: &str = ".lock";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{folder} is being trained by another process, which holds {lock}; wait for it, or choose \
         another model_dir"
    )]
    Held { folder: PathBuf, lock: PathBuf },
    #[error("{lock} is no plain file; remove it, or choose another model_dir")]
    NoFile { lock: PathBuf },
    #[error(
        "{}: expected the run's folder, found a file; remove it, or choose another model_dir",
        folder.display()
    )]
    NoFolder { folder: PathBuf },
    #[error("{lock}: locking failed: {source}; check the path and its permissions")]
    Io { lock: PathBuf, source: io::Error },
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    folder: PathBuf,
    _beside: File,
    inside: Option<File>,
}

impl RunLock {
    /// Takes the lock of a run's folder, which need not be there, but whose parent must.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let mut beside = folder.as_os_str().to_owned();
        beside.push(".lock");
        let mut lock = Self {
            folder: folder.into(),
            _beside: locked(folder, beside.into())?,
            inside: None,
        };
        if folder.is_dir() {
            lock.enter()?;
        }
        Ok(lock)
    }

    /// Makes the folder if it is missing, and holds it too.
    pub fn enter(&mut self) -> Result<(), Error> {
        if self.inside.is_some() {
            return Ok(());
        }
        if self.folder.exists() && !self.folder.is_dir() {
            return Err(Error::NoFolder {
                folder: self.folder.clone(),
            });
        }
        let lock = self.folder.join(INSIDE);
        fs::create_dir_all(&self.folder).map_err(|source| Error::Io {
            lock: self.folder.clone(),
            source,
        })?;
        self.inside = Some(locked(&self.folder, lock)?);
        Ok(())
    }

    /// Lets go of the folder itself, which is about to be moved or removed, and not of its place.
    pub fn leave(&mut self) {
        self.inside = None;
    }
}

fn locked(folder: &Path, lock: PathBuf) -> Result<File, Error> {
    if lock.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Error::NoFile { lock });
    }
    let io = |source| Error::Io {
        lock: lock.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Held {
            folder: folder.into(),
            lock,
        }),
        // Some network file systems have no locks: better no lock than no run.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            log::warn!("{}: the file system has no locks", lock.display());
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_held(folder: &Path) {
        let refused = RunLock::take(folder).unwrap_err().to_string();
        assert!(
            refused.contains("is being trained by another process"),
            "{refused}"
        );
    }

    #[test]
    fn a_second_run_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("model_1");
        let mut first = RunLock::take(&folder).unwrap();
        assert_held(&folder);
        first.enter().unwrap();
        first.leave();
        fs::remove_dir_all(&folder).unwrap();
        assert_held(&folder);
        drop(first);
        RunLock::take(&folder).unwrap();
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("model_1");
        fs::write(&folder, "mine").unwrap();
        let refused = RunLock::take(&folder).unwrap().enter().unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("expected the run's folder, found a file"),
            "{refused}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_known_on_every_path() {
        use std::os::unix::fs::symlink;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("model_1");
        let other = parent.path().join("other_1");
        let mut first = RunLock::take(&folder).unwrap();
        first.enter().unwrap();
        symlink(&folder, &other).unwrap();
        assert_held(&other);
        symlink(parent.path(), parent.path().join("there")).unwrap();
        assert_held(&parent.path().join("there/model_1"));
        drop(first);
        RunLock::take(&other).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_leads_elsewhere_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, victim) = (parent.path().join("model_1"), parent.path().join("victim"));
        std::os::unix::fs::symlink(&victim, parent.path().join("model_1.lock")).unwrap();
        let refused = RunLock::take(&folder).unwrap_err();
        assert!(matches!(refused, Error::NoFile { .. }), "{refused}");
        assert!(!victim.exists());
    }
}
