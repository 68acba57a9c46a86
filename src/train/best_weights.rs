//! The best weights of a run, `best/model.bpk`, and those to which its last checkpoint refers.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    checksum::Checksum,
    run_folder::{BEFORE_BEST, BEST, remove_link},
};
use crate::{
    durable_file::{rename, write_whole},
    eval::dev_record::WeightsSum,
    model::record,
    tasks::model::Model,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}; free space or choose another model_dir")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Record(#[from] record::WriteError),
    #[error(
        "{path}: the best weights of the run are missing or damaged; start it over with --restart, or \
         take the last weights from the newest checkpoint-N beside them"
    )]
    Lost { path: PathBuf },
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { path, source }
}

fn sum_of(path: &Path) -> Option<WeightsSum> {
    let sum = Checksum::of(path).ok()?;
    Some((sum.bytes, sum.crc32c))
}

/// The files in `best`.
pub(super) struct BestWeights {
    /// The best so far.
    pub file: PathBuf,
    /// The best when the last checkpoint was saved, if replaced since.
    before: PathBuf,
}

impl BestWeights {
    /// Opens the weights of a run in `model_dir` that resumes from a checkpoint; `sum` identifies
    /// the best weights up to there.
    ///
    /// # Errors
    /// If they cannot be restored.
    pub fn resume(
        model_dir: &Path,
        sum: Option<WeightsSum>,
        note: &mut dyn FnMut(String),
    ) -> Result<Self, Error> {
        let folder = model_dir.join(BEST);
        remove_link(&folder, note).map_err(io(&folder))?;
        let weights = Self {
            file: folder.join("model.bpk"),
            before: folder.join(BEFORE_BEST),
        };
        if sum.is_some() && sum_of(&weights.file) != sum && sum_of(&weights.before) == sum {
            rename(&weights.before, &weights.file).map_err(io(&weights.file))?;
        }
        Ok(weights)
    }

    /// Writes the weights of a model as the best; if `checkpointed`, the previous ones are kept.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put(
        &self,
        model: &Model,
        tasks: &[String],
        checkpointed: bool,
    ) -> Result<WeightsSum, Error> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(io(folder))?;
        }
        if checkpointed && self.file.is_file() {
            rename(&self.file, &self.before).map_err(io(&self.before))?;
        }
        Ok(record::save(model, tasks, &self.file)?)
    }

    /// Removes the previous best after a checkpoint was saved, since a run never goes back beyond
    /// it.
    ///
    /// # Errors
    /// If the obsolete weights cannot be removed.
    pub fn checkpoint_saved(&self) -> Result<(), Error> {
        match fs::remove_file(&self.before) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(&self.before)(error)),
            _ => Ok(()),
        }
    }

    /// Copies them to `file`, if they still match `sum`.
    ///
    /// # Errors
    /// If they do not, or cannot be copied.
    pub fn copy_to(&self, file: &Path, sum: Option<WeightsSum>) -> Result<(), Error> {
        let Some(sum) = sum else {
            return Err(self.lost());
        };
        let mut weights = fs::File::open(&self.file).map_err(|_| self.lost())?;
        let (mut refused, mut lost) = (false, false);
        let copied = write_whole(file, |out| {
            let found = Checksum::of_reader(&mut weights, |part| {
                out.write_all(part).inspect_err(|_| refused = true)
            });
            lost = match &found {
                Ok(found) => (found.bytes, found.crc32c) != sum,
                Err(_) => !refused,
            };
            match lost {
                true => Err(io::ErrorKind::InvalidData.into()),
                false => found.map(|_| ()),
            }
        });
        match lost {
            true => Err(self.lost()),
            false => copied.map_err(io(file)),
        }
    }

    fn lost(&self) -> Error {
        Error::Lost {
            path: self.file.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_killed_finds_the_weights_of_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let best = folder.path().join(BEST);
        fs::create_dir(&best).unwrap();
        let (file, before) = (best.join("model.bpk"), best.join(BEFORE_BEST));
        let of = |text: &str| Some((text.len() as u64, crc32c::crc32c(text.as_bytes())));
        let mut silent = |note: String| panic!("{note}");
        let mut resume = |sum| BestWeights::resume(folder.path(), sum, &mut silent).unwrap();
        for (there, kept, sum, expected) in [
            (Some("new"), Some("old"), of("old"), "old"),
            (None, Some("old"), of("old"), "old"),
            (Some("new"), Some("old"), of("new"), "new"),
            (Some("new"), None, None, "new"),
        ] {
            for (path, text) in [(&file, there), (&before, kept)] {
                let _ = fs::remove_file(path);
                if let Some(text) = text {
                    fs::write(path, text).unwrap();
                }
            }
            let weights = resume(sum);
            assert_eq!(fs::read_to_string(&file).unwrap(), expected);
            weights.checkpoint_saved().unwrap();
            assert!(!before.exists());
            let copy = folder.path().join("copy");
            match sum {
                None => assert!(weights.copy_to(&copy, sum).is_err()),
                Some(_) => {
                    weights.copy_to(&copy, sum).unwrap();
                    assert_eq!(fs::read_to_string(&copy).unwrap(), expected);
                }
            }
        }
        fs::write(&file, "flipped").unwrap();
        let lost = resume(of("new")).copy_to(&file, of("new")).unwrap_err();
        assert!(matches!(lost, Error::Lost { .. }), "{lost}");
    }
}
