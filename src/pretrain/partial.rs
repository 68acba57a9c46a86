//! The working folder of a file that is being built: what has been written, and where to resume.
//!
//! It is beside the output and named after it, with `.partial`. The state is saved after the files that it
//! describes have reached the disk, so that whatever ends the process costs a few seconds of work.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    corpus::{Corpus, CorpusFile},
    error::Error,
    settings::{Settings, hexadecimal},
    token_file::Counts,
    token_writer::Written,
};
use crate::durable_file::write_whole;

const STATE: &str = "state.json";

const LOCK: &str = "lock";

/// The files that a build puts there, its token writer's included.
const OURS: [&str; 4] = [LOCK, STATE, "ids", "lengths"];

/// A position between two examples, from which the build can resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub file: usize,
    /// Lines of the file that examples already contain.
    pub lines: u64,
    /// Examples from the file.
    pub examples: u64,
    pub target: usize,
    pub in_document: bool,
    pub counts: Counts,
    pub written: Written,
}

/// What an interrupted build leaves.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    settings: Settings,
    /// Checksum of all files' names in order.
    names: String,
    /// Checksum of what was known of the finished files.
    done: String,
    /// The unfinished file, and where it started.
    file: Option<CorpusFile>,
    file_begin: Position,
    position: Position,
}

/// The folder, locked by this process.
#[derive(Debug)]
pub struct Partial {
    folder: PathBuf,
    _lock: File,
}

impl Partial {
    /// The folder of an output.
    pub fn beside(output: &Path) -> PathBuf {
        let mut folder = output.as_os_str().to_owned();
        folder.push(".partial");
        folder.into()
    }

    /// Creates the folder beside an output if it is missing, and locks it.
    ///
    /// # Errors
    /// If it cannot be created, or another process holds it.
    pub fn take(output: &Path) -> Result<Self, Error> {
        let folder = Self::beside(output);
        let failed = |source| Error::Io {
            path: folder.clone(),
            action: "writing",
            source,
            advice: "check the path and its permissions",
        };
        if folder.symlink_metadata().is_ok() && !folder.is_dir() {
            return Err(Error::NotPartial {
                folder,
                found: "another file".to_owned(),
            });
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        // The folder is removed with all its contents at the end.
        if let Some(name) = foreign(&folder).map_err(failed)? {
            return Err(Error::NotPartial {
                found: format!("a folder with {name}"),
                folder,
            });
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Held { folder }),
            // Some network file systems have no locks; working without one is better than not at all.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                log::warn!("{}: the file system has no locks", folder.display());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where an interrupted build with the same settings and corpus stopped; `None` if there was none.
    ///
    /// # Errors
    /// If its settings or corpus differ, or its state cannot be read.
    pub fn position(
        &self,
        settings: &Settings,
        corpus: &Corpus,
    ) -> Result<Option<Position>, Error> {
        let path = self.folder.join(STATE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Error::Io {
                    path,
                    action: "reading",
                    source,
                    advice: "check the path and its permissions",
                });
            }
        };
        let other = |differing: String| Error::OtherRun {
            folder: self.folder.clone(),
            differing,
        };
        let state: State = match serde_json::from_slice(&bytes) {
            Ok(state) => state,
            Err(_) => return Err(other("another version of electra".to_owned())),
        };
        if state.version != 1 {
            return Err(other("another version of electra".to_owned()));
        }
        if let Some(differing) = state.settings.difference(settings) {
            return Err(other(differing));
        }
        let place = state.position.file;
        if state.names != names(corpus) || place > corpus.files.len() {
            return Err(other("files of other names in the corpus".to_owned()));
        }
        if state.done != done(&corpus.files[..place]) {
            return Err(other(
                "files in the corpus that have changed since".to_owned(),
            ));
        }
        let same = |file: &CorpusFile, now: &CorpusFile| {
            (file.bytes, file.modified) == (now.bytes, now.modified)
        };
        match (&state.file, corpus.files.get(place)) {
            (Some(file), Some(now)) if !same(file, now) => {
                log::warn!(
                    "{}: has changed since, and is read again",
                    now.path.display()
                );
                Ok(Some(state.file_begin))
            }
            _ => Ok(Some(state.position)),
        }
    }

    /// Saves the position, after everything written so far has reached the disk.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub fn save(
        &self,
        settings: &Settings,
        corpus: &Corpus,
        file_begin: Position,
        position: Position,
    ) -> io::Result<()> {
        let mut file = corpus.files.get(position.file).cloned();
        if let Some(file) = &mut file {
            file.path = PathBuf::new();
        }
        let state = State {
            version: 1,
            settings: settings.clone(),
            names: names(corpus),
            done: done(&corpus.files[..position.file]),
            file,
            file_begin,
            position,
        };
        write_whole(&self.folder.join(STATE), |out| {
            Ok(serde_json::to_writer(out, &state)?)
        })
    }

    /// Removes the folder when the file is complete.
    pub fn remove(self) {
        let Self { folder, _lock } = self;
        drop(_lock);
        if let Err(error) = fs::remove_dir_all(&folder) {
            let folder = folder.display();
            log::warn!("{folder}: removing failed: {error}; it is no longer needed");
        }
    }
}

/// The name of something in the folder that no build has created.
fn foreign(folder: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        // Systems put hidden files there; so does a state file while it is being written.
        if !OURS.contains(&&*name) && !name.starts_with('.') {
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

fn names(corpus: &Corpus) -> String {
    let mut sum = Sha256::new();
    for file in &corpus.files {
        sum.update(&file.name);
        sum.update([0]);
    }
    hexadecimal(&sum.finalize())
}

fn done(files: &[CorpusFile]) -> String {
    let mut sum = Sha256::new();
    for file in files {
        sum.update(&file.name);
        sum.update([0]);
        sum.update(file.bytes.to_le_bytes());
        sum.update(file.modified.to_le_bytes());
    }
    hexadecimal(&sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_run_has_made_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("p.tokens");
        let partial = Partial::beside(&output);
        let refused = || Partial::take(&output).unwrap_err().to_string();
        fs::write(&partial, "mine").unwrap();
        let expected = format!(
            "{}: expected the folder of an interrupted run, found another file; move it away or remove it, \
             or choose another --output",
            partial.display()
        );
        assert_eq!(refused(), expected);
        assert_eq!(fs::read_to_string(&partial).unwrap(), "mine");
        fs::remove_file(&partial).unwrap();

        fs::create_dir(&partial).unwrap();
        fs::write(partial.join("letter"), "mine").unwrap();
        let message = refused();
        assert!(
            message.contains("found a folder with letter; "),
            "{message}"
        );
        assert!(!partial.join(LOCK).exists());
        fs::remove_file(partial.join("letter")).unwrap();

        // A folder to which somebody has added a file is refused too: the file would be removed with the
        // rest.
        drop(Partial::take(&output).unwrap());
        for name in [STATE, "ids", "lengths", ".electra-x", "notes"] {
            fs::write(partial.join(name), "").unwrap();
        }
        assert!(refused().contains("found a folder with notes; "));
        fs::remove_file(partial.join("notes")).unwrap();
        Partial::take(&output).unwrap().remove();
        assert!(!partial.exists());
    }
}
