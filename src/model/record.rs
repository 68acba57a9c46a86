//! The model on disk: a burnpack file with one f32 tensor per parameter.
//!
//! Names are the paths of the module's fields, except that a head is named by its task
//! (`heads.squad.start.weight`), while in the module it is numbered.

use std::path::{Path, PathBuf};

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{TensorData, kind::Basic},
};
use checkpoints_convert::pack::{self, FileSum};

use super::parameters::{Error, StoredParameters};
use crate::device::DeviceError;

/// The record was not written; nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{file}: writing failed: {reason}; free space, or check the path and its permissions")]
    File { file: PathBuf, reason: String },
    #[error(
        "{file}: writing failed: {source}; start the same command again to go on from the last \
         checkpoint, or give --device cpu"
    )]
    Device { file: PathBuf, source: DeviceError },
}

/// Opens a record; tensors stay on disk until they are requested, and their checksums are verified
/// then.
pub fn open(file: &Path) -> Result<StoredParameters, Error> {
    let name = file.display().to_string();
    match pack::open(file) {
        Ok(pack) => Ok(StoredParameters::new(name, pack)),
        Err(error) => Err(Error::Record {
            file: name,
            reason: pack::reason(&error),
        }),
    }
}

/// Writes the model's parameters atomically and returns the file's checksum.
pub fn save(model: &impl Module, tasks: &[String], file: &Path) -> Result<FileSum, WriteError> {
    let mut tensors = Vec::new();
    for_each_parameter(model, tasks, |parameter| {
        tensors.push(stored_tensor(
            parameter.name,
            parameter.shape,
            parameter.value,
        ));
    });
    write(tensors, file)
}

/// Writes tensors as a burnpack file with checksums, under a temporary name that is then renamed.
pub fn write(tensors: Vec<burn_pack::Tensor>, file: &Path) -> Result<FileSum, WriteError> {
    let metadata = [("producer", concat!("electra ", env!("CARGO_PKG_VERSION")))];
    pack::write(tensors, &metadata, file).map_err(|error| {
        let (file, reason) = (file.to_owned(), error.to_string());
        match DeviceError::from_message(&reason) {
            Some(source) => WriteError::Device { file, source },
            None => WriteError::File { file, reason },
        }
    })
}

/// Describes a tensor to be written, which is read back from the device only when its turn comes.
///
/// `value` is `[elements]`, outside any autodiff graph.
pub fn stored_tensor<K: Basic + 'static>(
    name: &str,
    shape: &[usize],
    value: Tensor<1, K>,
) -> burn_pack::Tensor {
    let dtype = value.dtype();
    let bytes = value.dims()[0] * dtype.size();
    let failed = |e: DeviceError| burn_pack::Error::IoError(e.to_string());
    let read = move || {
        let data = value.clone().try_into_data();
        let bytes = data.map(TensorData::into_bytes);
        let bytes = bytes.map_err(|e| failed(DeviceError::new(e)))?;
        pack::resident(bytes).map_err(|e| failed(DeviceError::new(e)))
    };
    burn_pack::Tensor::deferred(name.into(), dtype, shape.to_vec(), None, bytes, read)
}

/// One parameter of the model, as [`for_each_parameter`] presents it.
pub struct ParameterView<'a> {
    /// Name in the record.
    pub name: &'a str,
    pub id: ParamId,
    pub shape: &'a [usize],
    /// Whether it is trained.
    pub trained: bool,
    /// `[elements]`, outside any autodiff graph.
    pub value: Tensor<1>,
}

/// Calls `visit` for each parameter, in module order.
pub fn for_each_parameter(model: &impl Module, tasks: &[String], visit: impl FnMut(ParameterView)) {
    let mut visitor = Visitor {
        path: Vec::new(),
        tasks,
        visit,
    };
    model.visit(&mut visitor);
}

/// Converts a module path to the record name: `heads.0.Span.start.weight` →
/// `heads.squad.start.weight`. The kind of head is left out because the task determines it.
pub fn record_name(path: &[String], tasks: &[String]) -> String {
    let mut parts: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ["heads", number, ..] = parts[..]
        && let Some(task) = number.parse().ok().and_then(|n: usize| tasks.get(n))
    {
        parts[1] = task;
        parts.remove(2);
    }
    parts.join(".")
}

struct Visitor<'a, F> {
    path: Vec<String>,
    tasks: &'a [String],
    visit: F,
}

impl<F: FnMut(ParameterView)> ModuleVisitor for Visitor<'_, F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val();
        let trained = value.is_require_grad();
        let value = if value.is_autodiff() {
            value.inner()
        } else {
            value
        };
        let shape = value.dims();
        (self.visit)(ParameterView {
            name: &record_name(&self.path, self.tasks),
            id: parameter.id,
            shape: &shape,
            trained,
            value: value.reshape([shape.iter().product::<usize>()]),
        });
    }
}
