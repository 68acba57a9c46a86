//! One run at a time in a folder: the system's lock on a file beside it, which ends with the
//! process whatever ends that.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{folder} is being trained by another process, which holds {lock}; wait for it, or choose \
         another model_dir"
    )]
    Held { folder: PathBuf, lock: PathBuf },
    #[error("{lock}: locking failed: {source}; check the path and its permissions")]
    Io { lock: PathBuf, source: io::Error },
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of a run's folder, whose parent must be there.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let mut name = folder.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
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
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Held {
                folder: folder.into(),
                lock,
            }),
            // Some network file systems have no locks: better no lock than no run.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                log::warn!("{}: the file system has no locks", lock.display());
                Ok(Self { _file: file })
            }
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("model_1");
        let first = RunLock::take(&folder).unwrap();
        let refused = RunLock::take(&folder).unwrap_err().to_string();
        assert!(
            refused.contains("model_1 is being trained by another process"),
            "{refused}"
        );
        drop(first);
        RunLock::take(&folder).unwrap();
    }
}
