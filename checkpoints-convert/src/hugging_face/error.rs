//! Errors of a Hugging Face model. Every message names the file and, if one is concerned, the
//! tensor or the key, with what was expected and what was found.

use std::io;

use crate::{plain_file, tensor, zip_error};

/// A Hugging Face model that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Places(#[from] tensor::Error),
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
    #[error(transparent)]
    File(plain_file::Error),
    #[error(
        "{folder}: config.json of a Hugging Face model, but no readable weights (model.safetensors or \
        pytorch_model.bin){found}; download the whole model, or save it again with safetensors"
    )]
    NoWeights { folder: String, found: String },
    #[error(
        "{file}: weights of a Hugging Face model without the config.json that belongs beside them; download the whole model"
    )]
    NoConfig { file: String },
    #[error("{file}: missing; the model is not whole: copy or download it again")]
    Missing { file: String },
    #[error("{file}: not the JSON that is expected here: {source}")]
    Json {
        file: String,
        source: serde_json::Error,
    },

    #[error(
        "{file}: not the JSON that is expected here: it begins as {found}; expected an object, {{…}}: copy or download the file again"
    )]
    NoObject { file: String, found: &'static str },

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

    #[error(
        "{file}: {key:?} is {found}: {expected}; a text would get other ids than those the model was \
        trained with"
    )]
    Tokenizer {
        file: String,
        key: String,
        found: String,
        expected: String,
    },
    #[error(
        "{file}: {key:?} is {found}, but in {other} {other_key:?} is {other_found}; correct the one that is wrong"
    )]
    Contradiction {
        file: String,
        key: &'static str,
        found: String,
        other: String,
        other_key: &'static str,
        other_found: String,
    },
    #[error(
        "{file}: line {line} is {found}, but {other} gives its number to {expected:?}; remove the file that is not this model's"
    )]
    Words {
        file: String,
        line: u64,
        found: String,
        other: String,
        expected: String,
    },
    #[error(
        "{file}: its vocabulary is not a list of words with the numbers 0, 1, 2, …; put this model's \
        vocab.txt beside it"
    )]
    Numbers { file: String },

    #[error("{file}: names the file {name:?}; expected a plain name of a file in the same folder")]
    ShardName { file: String, name: String },
    #[error("{file}: more than {limit} files of weights")]
    TooManyShards { file: String, limit: usize },
    #[error("{file}: more than {limit} tensors; an ELECTRA model has under a thousand")]
    TooManyTensors { file: String, limit: usize },
    #[error("{file}: tensor {name:?} should be in it and is not; copy or download it again")]
    TensorMissing { file: String, name: String },
    #[error("{file}: two tensors are named {name:?}, or stand for the same variable")]
    Duplicate { file: String, name: String },
    #[error(
        "{file}: a name of {length} bytes, which begins with {start:?}; expected at most {limit}"
    )]
    NameLength {
        file: String,
        start: String,
        length: usize,
        limit: usize,
    },

    #[error("{file}: not a safetensors file: {what}")]
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
    #[error("{file}: cannot read the archive: {}", zip_error::words(cause))]
    Zip {
        file: String,
        cause: zip::result::ZipError,
    },
    #[error("{file}: {what}")]
    Archive { file: String, what: String },
    #[error(
        "{file}: its pickle asks for {name:?}, which no state dict of tensors needs; do not trust such a \
        file; nothing of it was run"
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

impl From<plain_file::Error> for Error {
    fn from(error: plain_file::Error) -> Self {
        match error {
            plain_file::Error::Missing { file } => Self::Missing { file },
            error => Self::File(error),
        }
    }
}
