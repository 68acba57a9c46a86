//! Where a parameter's initial value comes from: a record or an initialiser.
//!
//! While a module is built, it requests its parameters from this source by their record names, so a
//! model is read or initialised in one pass and nothing is created twice.

use std::collections::BTreeMap;

use burn::{
    Tensor,
    module::Param,
    tensor::{DType, Device, TensorData},
};
use checkpoints_convert::pack::{self, Pack};

use super::{arithmetic::Arithmetic, initialiser::Initialiser};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{file}: parameter {name} has shape {found:?}, but the model needs {expected:?}; \
         check model_size, vocab_size and model_hparam_overrides against the checkpoint"
    )]
    Shape {
        file: String,
        name: String,
        expected: Vec<usize>,
        found: Vec<usize>,
    },
    #[error(
        "{file}: parameter {name} {expected:?} is missing; the checkpoint has fewer layers or \
         another architecture than the hyper-parameters ask for"
    )]
    Missing {
        file: String,
        name: String,
        expected: Vec<usize>,
    },
    #[error("{file}: parameter {name} is stored as {found}, expected {expected}; convert it again")]
    Dtype {
        file: String,
        name: String,
        found: String,
        expected: &'static str,
    },
    #[error(
        "{file}: parameter {name} cannot be read: {reason}; fetch or copy the record again, or create it \
         again with checkpoints-convert or electra finetune"
    )]
    Unreadable {
        file: String,
        name: String,
        reason: String,
    },
    #[error(
        "{file}: not a readable record: {reason}; fetch or copy it again, or create it again with \
         checkpoints-convert or electra finetune"
    )]
    Record { file: String, reason: String },
}

/// Values of a stored record by parameter name, left on disk until they are requested.
pub struct StoredParameters {
    pub file: String,
    pub tensors: BTreeMap<String, burn_pack::Tensor>,
    /// CRC32C of each tensor's bytes; `None` for a record of version 0.1.
    checksums: Option<BTreeMap<String, u32>>,
}

impl StoredParameters {
    /// Wraps the tensors of `pack`, which messages call `file`.
    pub fn new(file: String, pack: Pack) -> Self {
        let tensors = pack.tensors.into_iter();
        Self {
            file,
            tensors: tensors.map(|t| (t.name.clone(), t)).collect(),
            checksums: pack.checksums,
        }
    }

    /// Adds the values of another record, whose names must differ.
    pub fn join(&mut self, other: Self) {
        self.tensors.extend(other.tensors);
        self.checksums = match (self.checksums.take(), other.checksums) {
            (Some(mut sums), Some(others)) => {
                sums.extend(others);
                Some(sums)
            }
            _ => None,
        };
    }

    /// Identifies the weights that were not taken yet, wherever the record is: 32 hexadecimal
    /// digits that are equal if and only if names, types, shapes and values are.
    ///
    /// Reads only checksums. A record of version 0.1 has none, so every value is read once; the
    /// identity is the same as for those weights with checksums.
    ///
    /// # Errors
    /// If a record without checksums cannot be read.
    pub fn identity(&self) -> Result<String, Error> {
        let sums = self.tensors.values().map(|tensor| {
            let stored = self
                .checksums
                .as_ref()
                .and_then(|sums| sums.get(&tensor.name));
            match stored {
                Some(&sum) => Ok((tensor, sum)),
                None => match tensor.to_bytes().and_then(pack::resident) {
                    Ok(bytes) => Ok((tensor, crc32c::crc32c(&bytes))),
                    Err(error) => Err(self.unreadable(&tensor.name, &error)),
                },
            }
        });
        let sums: Vec<_> = sums.collect::<Result<_, Error>>()?;
        Ok(pack::identity(sums.into_iter()))
    }

    /// Compares every tensor that was not taken with its checksum, one at a time.
    fn check(&self) -> Result<(), Error> {
        // Without checksums there is nothing to compare.
        if self.checksums.is_none() {
            return Ok(());
        }
        for tensor in self.tensors.values() {
            let read = tensor.to_bytes();
            read.map_err(|error| self.unreadable(&tensor.name, &error))?;
        }
        Ok(())
    }

    fn unreadable(&self, name: &str, error: &burn_pack::Error) -> Error {
        Error::Unreadable {
            file: self.file.clone(),
            name: name.into(),
            reason: pack::reason(error),
        }
    }

    /// Takes the f32 values of `name`, or returns `None` if the record has no such parameter.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Option<TensorData>, Error> {
        self.take_as(name, shape, DType::F32)
    }

    /// Same as [`take`](Self::take), for values in another format.
    pub fn take_as(
        &mut self,
        name: &str,
        shape: &[usize],
        dtype: DType,
    ) -> Result<Option<TensorData>, Error> {
        let Some(tensor) = self.tensors.remove(name) else {
            return Ok(None);
        };
        let found = tensor.shape.to_vec();
        if found != shape {
            return Err(Error::Shape {
                file: self.file.clone(),
                name: name.into(),
                expected: shape.to_vec(),
                found,
            });
        }
        if tensor.dtype != dtype {
            return Err(Error::Dtype {
                file: self.file.clone(),
                name: name.into(),
                found: format!("{:?}", tensor.dtype),
                expected: dtype.name(),
            });
        }
        let bytes = tensor.into_bytes();
        let bytes = bytes.map_err(|error| self.unreadable(name, &error))?;
        Ok(Some(TensorData::from_bytes(bytes, shape.to_vec(), dtype)))
    }
}

/// Returns a parameter's value without autodiff.
pub fn value<const D: usize>(parameter: &Param<Tensor<D>>) -> Tensor<D> {
    without_graph(parameter.val())
}

/// Detaches a tensor from autodiff.
pub fn without_graph<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}

/// Where the parameters of a newly built model came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// Parameters read from the record.
    pub loaded: Vec<String>,
    /// Parameters missing from the record, which were initialised (a new head).
    pub initialised: Vec<String>,
    /// Parameters of the record for which the model has no place (a head of another task).
    pub unused: Vec<String>,
}

/// Supplies every parameter's initial value while the modules are built.
pub struct ParameterSource<'a> {
    pub device: Device,
    /// Seed of the initialisers; each parameter has its own stream.
    pub seed: u64,
    pub stored: Option<&'a mut StoredParameters>,
    pub origin: Origin,
    /// How the model being built will compute.
    pub arithmetic: Arithmetic,
    prefix: String,
}

impl<'a> ParameterSource<'a> {
    pub fn new(device: Device, seed: u64, stored: Option<&'a mut StoredParameters>) -> Self {
        Self {
            device,
            seed,
            stored,
            origin: Origin::default(),
            arithmetic: Arithmetic::default(),
            prefix: String::new(),
        }
    }

    /// Sets how the model being built computes.
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.arithmetic = arithmetic;
        self
    }

    /// Runs `build` with `name` appended to the path of every parameter it requests.
    pub fn within<T>(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let built = build(self);
        self.prefix.truncate(length);
        built
    }

    /// Returns the parameter `name` of the module being built.
    ///
    /// If the record lacks an encoder parameter, that is an error; a head's is initialised instead.
    pub fn parameter<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        initialiser: Initialiser,
    ) -> Result<Param<Tensor<D>>, Error> {
        let path = format!("{}{name}", self.prefix);
        let stored = match self.stored.as_deref_mut() {
            None => None,
            Some(stored) => {
                let value = stored.take(&path, &shape)?;
                if value.is_none() && !path.starts_with("heads.") {
                    return Err(Error::Missing {
                        file: stored.file.clone(),
                        name: path,
                        expected: shape.to_vec(),
                    });
                }
                value
            }
        };
        let data = match stored {
            Some(data) => {
                self.origin.loaded.push(path);
                data
            }
            None => {
                let values = initialiser.values(self.seed, &path, &shape);
                self.origin.initialised.push(path);
                TensorData::new(values, shape)
            }
        };
        Ok(Param::from_tensor(Tensor::from_data(data, &self.device)))
    }

    /// Verifies the checksums of everything no parameter requested, so that a partially used record
    /// is as trustworthy as a fully used one.
    ///
    /// # Errors
    /// If a tensor is damaged or cannot be read.
    pub fn check_unused(&self) -> Result<(), Error> {
        self.stored
            .as_deref()
            .map_or(Ok(()), StoredParameters::check)
    }

    /// Finishes building: whatever is left in the record has no place in the model.
    pub fn finish(mut self) -> Origin {
        if let Some(stored) = self.stored {
            self.origin.unused = stored.tensors.keys().cloned().collect();
        }
        self.origin
    }
}
