//! Remembers digests of weight files that store no checksums, so that gigabytes are not read at
//! every start just to see that nothing changed.
//!
//! A digest is stored with the file system's metadata. Modification times can be set by programs
//! and are not trusted: the inode's change time must match too, and must be old enough that no
//! later change can share it. If the system does not report it, nothing is remembered and the files
//! are read.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::durable_file::write_whole;

/// Most models remembered.
const MODELS: usize = 64;

/// A change this recent may be followed by another with the same timestamp.
const SETTLED: Duration = Duration::from_secs(3);

/// The metadata of a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps(Vec<Stamp>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    file: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds of the last change of the content, and of the inode.
    modified: [i64; 2],
    changed: [i64; 2],
}

impl Stamps {
    /// Takes the metadata, which must happen before the files are read; `None` if it cannot tell
    /// changed files apart.
    pub fn of(files: &[PathBuf]) -> Option<Self> {
        let stamps = files.iter().map(|file| stamp(file));
        let stamps: Vec<Stamp> = stamps.collect::<Option<_>>()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let settled = now.checked_sub(SETTLED)?.as_secs() as i64;
        let is_settled = |stamp: &Stamp| stamp.changed[0].max(stamp.modified[0]) < settled;
        (!stamps.is_empty() && stamps.iter().all(is_settled)).then_some(Self(stamps))
    }
}

#[cfg(unix)]
fn stamp(file: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let file = file.canonicalize().ok()?;
    let data = file.metadata().ok()?;
    // A folder's times do not reflect changes inside its files.
    data.is_file().then(|| Stamp {
        device: data.dev(),
        inode: data.ino(),
        bytes: data.size(),
        modified: [data.mtime(), data.mtime_nsec()],
        changed: [data.ctime(), data.ctime_nsec()],
        file,
    })
}

#[cfg(not(unix))]
fn stamp(_: &Path) -> Option<Stamp> {
    None
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    /// The digest of each model's weights, keyed by the path of its first file.
    weights: BTreeMap<PathBuf, (Stamps, String)>,
}

/// A user's digests, in a file of the cache folder. If it cannot be read or written, that is not an
/// error: weights are read again.
#[derive(Debug, Clone)]
pub struct WeightsMemory(Option<PathBuf>);

impl WeightsMemory {
    /// Uses the digests in `file`; without one, nothing is remembered.
    pub fn at(file: Option<PathBuf>) -> Self {
        Self(file)
    }

    /// Returns the digest of the weights in files that have not changed since.
    pub fn recall(&self, stamps: &Stamps) -> Option<String> {
        let mut remembered = self.read();
        let (then, weights) = remembered.weights.remove(&stamps.0.first()?.file)?;
        (then == *stamps).then_some(weights)
    }

    /// Remembers a digest that was computed after `stamps` were taken.
    pub fn keep(&self, stamps: Stamps, weights: String) {
        let (Some(file), Some(first)) = (&self.0, stamps.0.first()) else {
            return;
        };
        let mut remembered = self.read();
        let path = first.file.clone();
        remembered.weights.insert(path.clone(), (stamps, weights));
        if remembered.weights.len() > MODELS {
            remembered
                .weights
                .retain(|file, _| *file == path || file.exists());
        }
        while remembered.weights.len() > MODELS {
            let other = remembered.weights.keys().find(|file| **file != path);
            let Some(other) = other.cloned() else { break };
            remembered.weights.remove(&other);
        }
        let write = || {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            write_whole(file, |out| {
                Ok(serde_json::to_writer_pretty(out, &remembered)?)
            })
        };
        if let Err(error) = write() {
            log::info!("{}: weights will be read again: {error}", file.display());
        }
    }

    fn read(&self) -> Remembered {
        let text = self.0.as_ref().and_then(|file| fs::read(file).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn aged(file: &Path) -> Stamps {
        // As if the file had been examined long after its last change.
        Stamps(vec![stamp(file).unwrap()])
    }

    #[test]
    fn a_file_that_was_replaced_under_its_old_time_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let memory = WeightsMemory::at(Some(folder.path().join("cache/weights.json")));
        let file = folder.path().join("model.safetensors");
        fs::write(&file, "one").unwrap();
        let before = aged(&file);
        memory.keep(before.clone(), "digest".into());
        assert_eq!(memory.recall(&aged(&file)).as_deref(), Some("digest"));

        // Longer than the resolution of the file system's clock.
        std::thread::sleep(Duration::from_millis(30));
        let time = file.metadata().unwrap().modified().unwrap();
        fs::write(&file, "two").unwrap();
        let open = fs::File::options().write(true).open(&file).unwrap();
        open.set_modified(time).unwrap();
        assert_eq!(aged(&file).0[0].modified, before.0[0].modified);
        assert_eq!(memory.recall(&aged(&file)), None);
    }

    #[test]
    fn a_file_that_changed_just_now_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        fs::write(&file, "one").unwrap();
        // Still recent, even if this test is delayed.
        let open = fs::File::options().write(true).open(&file).unwrap();
        let later = SystemTime::now() + Duration::from_secs(600);
        open.set_modified(later).unwrap();
        assert_eq!(Stamps::of(&[file]), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let memory = WeightsMemory::at(Some(folder.path().join("weights.json")));
        let file = folder.path().join("model.safetensors");
        fs::write(&file, "one").unwrap();
        for number in 0..=MODELS {
            let mut stamps = aged(&file);
            stamps.0[0].file = folder.path().join(number.to_string());
            memory.keep(stamps, "digest".into());
        }
        assert_eq!(
            memory.read().weights.len(),
            1,
            "files that are gone are forgotten"
        );
    }
}
