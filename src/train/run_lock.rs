//! Allows one run at a time in a folder: system locks on two files, which end with the process however it
//! ends.
//!
//! `<folder>.lock` is beside the folder, so that it holds while the folder is created, moved aside or
//! removed; `<folder>/.lock` is inside, so that it holds for every path to the folder, such as a link or a
//! second mount. The holder's name in the file is only for people.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::lock_holder::Holder;

/// Name of the lock inside of the folder.
pub const INSIDE: &str = ".lock";

/// Interval between attempts, and the time after which the user is told who holds the lock.
const ASKED_EVERY: Duration = Duration::from_millis(20);
const TOLD_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{folder} is being trained by another process{}, which holds {lock}; wait for it, or choose \
         another model_dir",
        told(holder)
    )]
    Held {
        folder: PathBuf,
        lock: PathBuf,
        /// If it is recorded.
        holder: Option<Holder>,
    },
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

/// The holder, formatted to follow the name of what it holds.
pub fn told(holder: &Option<Holder>) -> String {
    holder
        .as_ref()
        .map_or_else(String::new, |holder| format!(" ({holder})"))
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    folder: PathBuf,
    _beside: File,
    inside: Option<File>,
}

impl RunLock {
    /// Locks a run's folder, which need not exist; its parent must.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let mut lock = Self {
            folder: folder.into(),
            _beside: locked(folder, beside(folder))?,
            inside: None,
        };
        if folder.is_dir() {
            lock.enter()?;
        }
        Ok(lock)
    }

    /// Creates the folder if it is missing, and locks it too.
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

    /// Releases the folder itself, which is about to be moved or removed, but not its path.
    pub fn leave(&mut self) {
        self.inside = None;
    }
}

/// The turn to write the files that a run's processes share; it ends when dropped.
#[derive(Debug)]
pub struct Turn {
    _beside: File,
}

impl Turn {
    /// Waits for the turn to write the file at `path`, whose folder must exist. If that takes long, tells
    /// `note` who holds it, and gives up once `is_ended` returns true.
    pub fn wait(
        path: &Path,
        note: &mut dyn FnMut(String),
        is_ended: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Error> {
        let began = Instant::now();
        let mut is_told = false;
        loop {
            match locked(path, beside(path)) {
                Ok(file) => return Ok(Some(Self { _beside: file })),
                Err(Error::Held { lock, holder, .. }) => {
                    if !is_told && began.elapsed() >= TOLD_AFTER {
                        note(format!(
                            "waiting for {}, which another process of the run holds{}",
                            lock.display(),
                            told(&holder)
                        ));
                        is_told = true;
                    }
                    // Other processes hold it only briefly, so the results just computed are not given up for
                    // that.
                    if is_told && is_ended() {
                        return Ok(None);
                    }
                    thread::sleep(ASKED_EVERY);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Returns the lock file next to `path`. A separator at the end would put it inside, where the other
/// lock is.
fn beside(path: &Path) -> PathBuf {
    let mut lock = path.components().as_path().as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
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
        .read(true)
        .write(true)
        .open(&lock)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            Holder::of_this_process().sign(&file);
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(Error::Held {
            folder: folder.into(),
            holder: Holder::of(&file),
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
        // Windows does not allow reading a locked file.
        if cfg!(unix) {
            let own = format!("(process {}", std::process::id());
            assert!(refused.contains(&own), "{refused}");
        }
    }

    #[test]
    fn a_turn_ends_and_another_begins() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("model_trials.json");
        let wait = || Turn::wait(&list, &mut |_| {}, &|| false).unwrap().unwrap();
        let first = wait();
        let (said, hear) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let second = wait();
                said.send(()).unwrap();
                drop(second);
            });
            let early = hear.recv_timeout(Duration::from_millis(200));
            assert!(early.is_err(), "two had the turn");
            drop(first);
            hear.recv_timeout(Duration::from_secs(60)).unwrap();
        });
        assert!(!list.exists());
    }

    #[test]
    fn a_long_wait_for_a_turn_ends_when_it_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("model_trials.json");
        let _first = Turn::wait(&list, &mut |_| {}, &|| true).unwrap().unwrap();
        let mut notes = Vec::new();
        let second = Turn::wait(&list, &mut |note| notes.push(note), &|| true).unwrap();
        assert!(second.is_none());
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("waiting for "), "{notes:?}");
    }

    #[test]
    fn a_file_of_somebody_s_stays_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let lock = parent.path().join("model_1.lock");
        fs::write(&lock, "my notes on the lock\n").unwrap();
        drop(RunLock::take(&parent.path().join("model_1")).unwrap());
        assert_eq!(fs::read_to_string(&lock).unwrap(), "my notes on the lock\n");
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
    fn a_folder_with_a_separator_at_its_end_is_the_same() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("model_1");
        let written = parent.path().join("model_1/");
        let first = RunLock::take(&written).unwrap();
        assert_held(&folder);
        drop(first);
        fs::create_dir(&folder).unwrap();
        let _second = RunLock::take(&written).unwrap();
        assert_held(&folder);
        assert!(parent.path().join("model_1.lock").is_file());
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
