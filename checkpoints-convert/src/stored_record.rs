//! Opens a converted or fine-tuned record in its folder: finds the parameters that `config.json`
//! names in `model.bpk`, and reads values only on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn_pack::{Bytes, DType, Tensor};
use serde::Serialize;

use crate::Error;
use crate::checkpoint::is_checkpoint;
use crate::config::RecordConfig;
use crate::names::{CLOZE_HEAD, DISCRIMINATOR_HEAD, GENERATOR, Parameter, TOKEN_HEAD, TOWERS};
use crate::pack;
use crate::plain_file;
use crate::record_files::{CONFIG_FILE, GENERATOR_FILE, RECORD_FILE};

/// A tensor of a record.
#[derive(Clone, Debug, Serialize)]
pub struct StoredTensor {
    /// Its path in the model.
    pub name: String,
    pub shape: Vec<u64>,
    pub dtype: String,
    /// Bytes of its values.
    pub size: u64,
    /// Whether `config.json` names no such parameter.
    pub foreign: bool,
}

/// An opened record.
pub(crate) struct StoredRecord {
    pub config: RecordConfig,
    path: PathBuf,
    /// The file of what only pre-training has, if that is apart.
    generator: Option<PathBuf>,
    tensors: BTreeMap<String, Tensor>,
}

impl StoredRecord {
    /// Opens the record in `folder`.
    ///
    /// # Errors
    /// If a file is missing or is not a record's.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(RECORD_FILE);
        check(folder, &path)?;
        let tensors = read_tensors(&path)?;
        Ok(Self {
            config: RecordConfig::read(&config_of(folder))?,
            path,
            generator: None,
            tensors,
        })
    }

    /// The same with what is in `generator.bpk` beside it. A run's checkpoint has all in one file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_generator(folder: &Path) -> Result<Self, Error> {
        let mut record = Self::open(folder)?;
        let path = folder.join(GENERATOR_FILE);
        if path.exists() {
            let more = read_tensors(&path)?.into_iter();
            let more = more.filter(|(name, _)| is_of_pretraining(name));
            record.tensors.extend(more);
            record.generator = Some(path);
        }
        Ok(record)
    }

    /// Another record of the same model, in a file of its own.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn other(&self, path: PathBuf) -> Result<Self, Error> {
        Ok(Self {
            config: self.config.clone(),
            tensors: read_tensors(&path)?,
            generator: None,
            path,
        })
    }

    /// The size of a tensor along an axis; `None` if there is no such tensor or axis.
    pub fn size(&self, path: &str, axis: usize) -> Option<usize> {
        let tensor = self.tensors.get(path)?;
        tensor.shape.get(axis).copied()
    }

    /// Checks that the record holds `parameter`, with the shape that it is to have.
    ///
    /// # Errors
    /// If it does not.
    pub fn check(&self, parameter: &Parameter) -> Result<(), Error> {
        let Some(tensor) = self.tensors.get(&parameter.path) else {
            return Err(self.wrong(parameter, "nothing".into()));
        };
        let sizes = || tensor.shape.iter().map(|&size| size as u64);
        if tensor.dtype == DType::F32 && sizes().eq(parameter.shape.iter().copied()) {
            return Ok(());
        }
        let sizes: Vec<u64> = sizes().collect();
        Err(self.wrong(parameter, format!("{:?} {sizes:?}", tensor.dtype)))
    }

    /// Takes the little-endian float32 values of a parameter, which are read from the file when
    /// they are accessed.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and if the parameter was taken before.
    pub fn take(&mut self, parameter: &Parameter) -> Result<Bytes, Error> {
        self.check(parameter)?;
        let Some(tensor) = self.tensors.remove(&parameter.path) else {
            return Err(self.wrong(parameter, "nothing".into()));
        };
        tensor.into_bytes().map_err(|source| Error::ReadRecord {
            file: self.file_of(&parameter.path).display().to_string(),
            source,
        })
    }

    /// The file that a parameter belongs into.
    fn file_of(&self, path: &str) -> &Path {
        match &self.generator {
            Some(file) if is_of_pretraining(path) => file,
            _ => &self.path,
        }
    }

    /// Every tensor that is there, by its name; `parameters` are those that are to be.
    pub fn tensors(&self, parameters: &[Parameter]) -> Vec<StoredTensor> {
        let known: BTreeSet<&str> = parameters.iter().map(|p| p.path.as_str()).collect();
        let tensors = self.tensors.values();
        tensors
            .map(|tensor| {
                let shape: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
                let values = shape.iter().product::<u64>();
                StoredTensor {
                    foreign: !known.contains(tensor.name.as_str()),
                    name: tensor.name.clone(),
                    dtype: format!("{:?}", tensor.dtype),
                    size: values * tensor.dtype.size() as u64,
                    shape,
                }
            })
            .collect()
    }

    fn wrong(&self, parameter: &Parameter, found: String) -> Error {
        let file = self.file_of(&parameter.path).display().to_string();
        let (expected, parameter) = (parameter.shape.clone(), parameter.path.clone());
        match is_of_pretraining(&parameter) {
            true => Error::Pretrained {
                file,
                parameter,
                expected,
                found,
            },
            false => Error::Parameter {
                file,
                parameter,
                expected,
                found,
            },
        }
    }

    /// Returns the paths of the parameters that were not taken.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }
}

/// Whether only pre-training has the parameter.
pub(crate) fn is_of_pretraining(path: &str) -> bool {
    let modules = [
        GENERATOR,
        TOWERS[0],
        TOWERS[1],
        TOKEN_HEAD,
        CLOZE_HEAD,
        DISCRIMINATOR_HEAD,
    ];
    path.split('.')
        .next()
        .is_some_and(|first| modules.contains(&first))
}

/// The configuration of the record in `folder`. The checkpoints of a run share the one of its folder.
pub(crate) fn config_of(folder: &Path) -> PathBuf {
    let own = folder.join(CONFIG_FILE);
    let of_run = folder.parent().map(|parent| parent.join(CONFIG_FILE));
    let of_run = of_run.filter(|of_run| !own.exists() && of_run.exists());
    of_run.unwrap_or(own)
}

/// Returns an error that says what is there instead, if there is no record.
fn check(folder: &Path, file: &Path) -> Result<(), Error> {
    if file.exists() {
        return Ok(());
    }
    if let Some(checkpoint) = newest_checkpoint(folder) {
        return Err(Error::Unfinished {
            folder: folder.display().to_string(),
            checkpoint: checkpoint.display().to_string(),
        });
    }
    let what = if !folder.exists() {
        "nothing there"
    } else if is_checkpoint(folder) {
        "a checkpoint that was not converted"
    } else if folder.is_file() {
        "a file"
    } else {
        "holds no model.bpk"
    };
    Err(Error::NoRecord {
        folder: folder.display().to_string(),
        what,
    })
}

/// The newest checkpoint of the run in a folder.
fn newest_checkpoint(run: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(run).ok()?.flatten();
    let checkpoints = entries.filter_map(|entry| {
        let name = entry.file_name();
        let step: u64 = name.to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
        let path = entry.path();
        path.join(RECORD_FILE).is_file().then_some((step, path))
    });
    checkpoints.max().map(|(_, path)| path)
}

/// Reads the tensors of a record by path.
fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>, Error> {
    // Rejects a pipe or a device before anything waits for it.
    plain_file::open(path)?;
    let pack = pack::open(path).map_err(|source| Error::ReadRecord {
        file: path.display().to_string(),
        source,
    })?;
    Ok(pack
        .tensors
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect())
}
