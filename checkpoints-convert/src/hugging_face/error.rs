//! What can be wrong with a Hugging Face model. Every message names the file, and the tensor or
//! the key where one is concerned, with what was expected and what was found.

use std::io;

/// A Hugging Face model that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file}: {size} bytes, more than the {limit} that are read")]
    TooLarge { file: String, size: u64, limit: u64 },
    #[error("{file}: missing; the model is not whole: copy or download it again")]
    Missing { file: String },
    #[error("{file}: not the JSON that is expected here: {source}")]
    Json {
        file: String,
        source: serde_json::Error,
    },

    #[error("{file}: \"model_type\" is {found}; only \"electra\" is read")]
    ModelType { file: String, found: String },
    #[error("{file}: {key:?} is {found}; {expected}")]
    Setting {
        file: String,
        key: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "{file}: {key:?} is {found}, but the weights have {expected}; the two files do not belong together"
    )]
    Size {
        file: String,
        key: &'static str,
        found: usize,
        expected: usize,
    },

    #[error("{file}: names the file {name:?}; expected a plain name of a file in the same folder")]
    ShardName { file: String, name: String },
    #[error("{file}: more than {limit} files of weights")]
    TooManyShards { file: String, limit: usize },
    #[error("{file}: more than {limit} tensors; an ELECTRA model has under a thousand")]
    TooManyTensors { file: String, limit: usize },
    #[error("{file}: tensor {name:?} is to be in it and is not; copy or download it again")]
    TensorMissing { file: String, name: String },
    #[error("{file}: two tensors are named {name:?}, or stand for the same variable")]
    Duplicate { file: String, name: String },

    #[error("{file}: no safetensors file: {what}")]
    Safetensors { file: String, what: String },
    #[error(
        "{file}: has {length} bytes, its header describes {expected}; the file is cut off or damaged: copy or download it again"
    )]
    Length {
        file: String,
        length: u64,
        expected: u64,
    },

    #[error(
        "{file}: neither a zip archive nor a pickle of torch.save; expected a state dict that PyTorch saved"
    )]
    NotTorch { file: String },
    #[error("{file}: cannot read the archive: {source}")]
    Zip {
        file: String,
        source: zip::result::ZipError,
    },
    #[error("{file}: {what}")]
    Archive { file: String, what: String },
    #[error(
        "{file}: its pickle asks for {name:?}, which no state dict of tensors needs; such a file is not to be trusted and nothing of it was run"
    )]
    Global { file: String, name: String },
    #[error(
        "{file}: its pickle, at byte {offset}: {what}; expected a state dict as torch.save writes it"
    )]
    Pickle {
        file: String,
        offset: u64,
        what: String,
    },
    #[error("{file}: {what}; expected a state dict: names and tensors")]
    StateDict { file: String, what: String },
    #[error("{file}: tensor {name:?} {what}")]
    Tensor {
        file: String,
        name: String,
        what: String,
    },
}
