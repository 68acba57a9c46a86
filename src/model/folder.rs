//! Resolves a path given as a model: a Burn record, or a TensorFlow or Hugging Face checkpoint that
//! is converted on first use.
//!
//! A record belongs to the content of its checkpoint. A record beside a checkpoint is used only if
//! it was made from the checkpoint's current content; otherwise the checkpoint is converted again,
//! and the user is told. Outside the run's own folder nothing is written beside a checkpoint: its
//! record goes to the user's cache, under a name derived from the content.

pub mod error;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use checkpoints_convert::{ConfigFile, Content, Conversion, KeptRecord, KeptState};

pub use self::error::Error;
use super::{
    absent,
    weights_memory::{Stamps, WeightsMemory},
};
use crate::{device::ByteSize, user_cache};

/// Interval between checks on a record that another program is making.
const WAIT: Duration = Duration::from_millis(300);

/// A folder that holds `model.bpk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolder {
    pub path: PathBuf,
}

/// Finds the record for a path; every command that opens a model uses it.
pub struct Finder<'a> {
    /// `DIR/models/NAME` of a run, the only place where records are kept beside their checkpoint.
    pub home: Option<&'a Path>,
    /// The user's cache folder ([`user_cache::folder`]), where all other records are kept.
    pub cache: Option<PathBuf>,
    /// Receives messages for the user, one line each: what was converted, why, and to where.
    pub note: &'a mut dyn FnMut(&str),
    /// Receives the bytes done and the total while weights are read.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// Same as [`Finder::find`] without a home; messages go to the log.
///
/// # Errors
/// As for [`Finder::find`].
pub fn find(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<ModelFolder, Error> {
    let note = &mut |line: &str| log::info!("{line}");
    Finder {
        home: None,
        cache: user_cache::folder(),
        note,
        progress,
    }
    .find(path)
}

impl Finder<'_> {
    /// Returns the folder of the record for `path`: `path` itself, the record beside the checkpoint
    /// at `path`, or one in the user's cache. Converts the checkpoint if there is no record of its
    /// current content.
    ///
    /// The record beside a zip is in a folder of the zip's name; beside a prefix, in
    /// `<prefix>.record`; for a folder with a `config.json` of its own, as Hugging Face's have, in
    /// its subfolder `record`.
    ///
    /// # Errors
    /// If there is no model at `path`, it cannot be converted, or the record's files do not belong
    /// together.
    pub fn find(mut self, path: &Path) -> Result<ModelFolder, Error> {
        let is_record = path.join("model.bpk").is_file();
        let is_checkpoint = checkpoints_convert::is_checkpoint(path);
        if !is_record && !is_checkpoint {
            return Err(absent::explain(path));
        }
        if is_record && (!is_checkpoint || checkpoints_convert::is_fine_tuned(path)) {
            return alone(path);
        }
        let beside = if is_record { path.into() } else { beside(path) };
        let mut conversion = match Conversion::open(path) {
            Ok(conversion) => conversion,
            Err(error) if is_record => {
                (self.note)(&format!(
                    "{}: the checkpoint beside the record cannot be read, so the record is used unchecked: \
                     {error}",
                    path.display()
                ));
                return alone(path);
            }
            Err(source) => return Err(convert(path)(source)),
        };
        let is_home = self.home.is_some_and(|home| lies_in(&beside, home));
        let stamps = Stamps::of(&conversion.files_without_checksums());
        let kept = KeptRecord::open(&beside);
        let mut content = None;
        if kept.is_some() || !is_home {
            content = Some(self.content(path, &mut conversion, stamps.as_ref())?);
        }
        if let (Some(kept), Some(content)) = (&kept, &content) {
            let Some(why) = self.why_not(kept, content) else {
                log::info!(
                    "{}: converted earlier to {}",
                    path.display(),
                    beside.display()
                );
                return Ok(ModelFolder { path: beside });
            };
            let then = match is_home {
                true => "it is converted again",
                false => "that record is ignored",
            };
            let (path, beside) = (path.display(), beside.display());
            (self.note)(&format!("{path}: the record in {beside} {why}: {then}"));
        }
        if is_home {
            match self.write(path, &mut conversion, &beside, stamps) {
                Err(Error::Convert { source, .. }) if is_closed(&source) => {
                    (self.note)(&format!(
                        "{}: no record is kept there: {source}",
                        path.display()
                    ));
                }
                result => return result,
            }
        }
        let content = match content {
            Some(content) => content,
            None => self.content(path, &mut conversion, None)?,
        };
        self.in_cache(path, &mut conversion, &content)
    }

    /// Identifies the content of which a record of the checkpoint is made. Weights without
    /// checksums are read, unless these very files have been read before.
    fn content(
        &mut self,
        path: &Path,
        conversion: &mut Conversion,
        stamps: Option<&Stamps>,
    ) -> Result<Content, Error> {
        let memory = self.memory();
        let weights = match stamps.and_then(|stamps| memory.recall(stamps)) {
            Some(weights) => weights,
            None => {
                let weights = conversion.weights(self.progress);
                let weights = weights.map_err(convert(path))?;
                if let Some(stamps) = stamps {
                    memory.keep(stamps.clone(), weights.clone());
                }
                weights
            }
        };
        Ok(conversion.content(weights))
    }

    /// Returns the record in the user's cache, making it if necessary.
    fn in_cache(
        &mut self,
        path: &Path,
        conversion: &mut Conversion,
        content: &Content,
    ) -> Result<ModelFolder, Error> {
        let Some(cache) = &self.cache else {
            return Err(Error::NoCache { path: path.into() });
        };
        let folder = cache.join("records").join(&content.digest);
        let (mut is_waiting, mut is_told) = (false, false);
        loop {
            if let Some(kept) = KeptRecord::open(&folder) {
                let Some(why) = self.why_not(&kept, content) else {
                    log::info!(
                        "{}: converted earlier to {}",
                        path.display(),
                        folder.display()
                    );
                    return Ok(ModelFolder { path: folder });
                };
                if !is_told {
                    let (path, folder) = (path.display(), folder.display());
                    (self.note)(&format!(
                        "{path}: the record in {folder} {why}: it is converted again"
                    ));
                }
                is_told = true;
            }
            match self.write(path, conversion, &folder, None) {
                Err(Error::Convert { source, .. }) if is_busy(&source) => {
                    if !is_waiting {
                        let path = path.display();
                        (self.note)(&format!(
                            "{path}: another program is converting it: waiting"
                        ));
                    }
                    is_waiting = true;
                    std::thread::sleep(WAIT);
                }
                Err(Error::Convert { source, path }) if is_unwritten(&source) => {
                    return Err(Error::Cache {
                        path,
                        folder,
                        source,
                    });
                }
                result => return result,
            }
        }
    }

    /// Returns why a record does not match this checkpoint content; `None` if it does.
    fn why_not(&self, kept: &KeptRecord, content: &Content) -> Option<&'static str> {
        let made_of = kept.content();
        if made_of.weights != content.weights {
            return Some("was made from other weights");
        }
        if made_of.digest != content.digest {
            return Some(
                "was made with other settings or another vocabulary, or by an earlier version",
            );
        }
        let is_whole = kept.state() == KeptState::Whole && self.has_whole_values(kept);
        (!is_whole).then_some("is damaged, or was replaced")
    }

    /// Returns whether the values of a record are still those that were written. Damage found here
    /// can be repaired from the checkpoint; found later, it would only end the run. A file that was
    /// found intact and has not been touched since is not read again.
    fn has_whole_values(&self, kept: &KeptRecord) -> bool {
        // Without an identity there are no checksums either.
        let Some(identity) = kept.identity() else {
            return true;
        };
        let memory = self.memory();
        let stamps = Stamps::of(&[kept.weights_file()]);
        let known = stamps.as_ref().and_then(|stamps| memory.recall(stamps));
        if known.as_deref() == Some(identity) {
            return true;
        }
        let is_whole = kept.has_whole_values();
        if let Some(stamps) = stamps.filter(|_| is_whole) {
            memory.keep(stamps, identity.to_owned());
        }
        is_whole
    }

    fn memory(&self) -> WeightsMemory {
        let cache = self.cache.as_ref();
        WeightsMemory::at(cache.map(|folder| folder.join("weights.json")))
    }

    fn write(
        &mut self,
        path: &Path,
        conversion: &mut Conversion,
        folder: &Path,
        stamps: Option<Stamps>,
    ) -> Result<ModelFolder, Error> {
        let report = conversion.write(folder, self.progress);
        let report = report.map_err(convert(path))?;
        if let (Some(stamps), Some(content)) = (stamps, report.source.content) {
            self.memory().keep(stamps, content.weights);
        }
        let size = fs::metadata(folder.join("model.bpk")).map_or(0, |data| data.len());
        (self.note)(&format!(
            "converted {} to {} ({})",
            path.display(),
            folder.display(),
            ByteSize(size)
        ));
        Ok(ModelFolder {
            path: folder.into(),
        })
    }
}

fn convert(path: &Path) -> impl Fn(checkpoints_convert::Error) -> Error {
    move |source| Error::Convert {
        path: path.into(),
        source,
    }
}

/// Opens a record without a checkpoint beside it. Damage is reported when it is read.
fn alone(path: &Path) -> Result<ModelFolder, Error> {
    match KeptRecord::open(path).map(|kept| kept.state()) {
        Some(KeptState::Other) => Err(Error::Mixed { path: path.into() }),
        Some(KeptState::OtherVocabulary) => Err(Error::OtherVocabulary { path: path.into() }),
        _ => Ok(ModelFolder { path: path.into() }),
    }
}

/// Returns where the record of the checkpoint at `path` is kept if it is kept beside it.
pub(super) fn beside(path: &Path) -> PathBuf {
    let has_extension = |e| path.extension().is_some_and(|x| x.eq_ignore_ascii_case(e));
    if path.is_dir() {
        return match checkpoints_convert::takes_record(path) {
            true => path.into(),
            false => path.join("record"),
        };
    }
    if has_extension("zip") {
        return path.with_extension("");
    }
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".record");
    name.into()
}

/// Returns whether `folder`, which need not exist, is `home` or inside it.
pub fn lies_in(folder: &Path, home: &Path) -> bool {
    match (resolved(folder), resolved(home)) {
        (Some(folder), Some(home)) => folder.starts_with(home),
        _ => false,
    }
}

/// Resolves links as far as the path exists.
fn resolved(path: &Path) -> Option<PathBuf> {
    let path = absolute(path).ok()?;
    for ancestor in path.ancestors() {
        if let Ok(found) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).ok()?;
            return Some(found.join(rest));
        }
    }
    None
}

/// Returns whether another program is converting into the folder.
fn is_busy(error: &checkpoints_convert::Error) -> bool {
    matches!(error, checkpoints_convert::Error::Busy { .. })
}

/// Returns whether a folder cannot hold a record because it is not writable or holds something
/// else.
fn is_closed(error: &checkpoints_convert::Error) -> bool {
    use checkpoints_convert::Error as E;
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match error {
        E::Occupied { .. } | E::Staging { .. } => true,
        E::Write { source, .. } => {
            matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem)
        }
        _ => false,
    }
}

/// Returns whether writing the record failed, rather than the checkpoint being at fault.
fn is_unwritten(error: &checkpoints_convert::Error) -> bool {
    use checkpoints_convert::Error as E;
    let failed = matches!(
        error,
        E::Write { .. } | E::Record { .. } | E::Publish { .. }
    );
    failed || is_closed(error)
}

/// Reads `config.json` in `folder`; `None` if there is none.
///
/// # Errors
/// If it is not readable or not JSON.
pub fn config_file(folder: &Path) -> Result<Option<ConfigFile>, Error> {
    Ok(ConfigFile::read(&folder.join("config.json"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_another_vocabulary_is_refused_and_blank_lines_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
        let zip = models.join("electra_tiny.zip");
        checkpoints_convert::convert(&zip, folder.path(), &mut |_, _| {}).unwrap();
        let file = folder.path().join("vocab.txt");
        let own = fs::read_to_string(&file).unwrap();
        let found = |text: &str| {
            fs::write(&file, text).unwrap();
            alone(folder.path())
        };
        for same in [&own, &format!("{own}\n\n")] {
            assert_eq!(found(same).unwrap().path, folder.path());
        }
        let mut lines: Vec<&str> = own.lines().collect();
        let last = lines.len() - 1;
        lines.swap(last, last - 1);
        let error = found(&(lines.join("\n") + "\n")).unwrap_err();
        assert!(matches!(error, Error::OtherVocabulary { .. }), "{error}");
        let start = format!(
            "{}: vocab.txt is not the vocabulary",
            folder.path().display()
        );
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}
