//! Errors about the location or the files of a checkpoint.

use std::io;
use std::path::PathBuf;

use crate::{plain_file, zip_error};

/// Input that is not a checkpoint, or not a complete one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: nothing there; expected a zip archive, a folder with a checkpoint or a Hugging Face model, or a prefix such that PREFIX.index exists", path.display())]
    NotFound { path: PathBuf },
    #[error("{}: neither a zip archive nor part of a TensorFlow checkpoint; expected a zip archive, a folder, or a prefix such that PREFIX.index exists", path.display())]
    NotACheckpoint { path: PathBuf },
    #[error("{}: holds no *.index file, so there is no TensorFlow checkpoint in it, and no Hugging Face model either (config.json with model.safetensors or pytorch_model.bin)", path.display())]
    NoIndex { path: PathBuf },
    #[error("{}: a record of this program, not a checkpoint: it needs no conversion, and export writes it for other programs", path.display())]
    IsRecord { path: PathBuf },
    #[error("{}: holds several checkpoints ({}) and no file `checkpoint` that names one of them; give the prefix of the one to take", path.display(), prefixes.join(", "))]
    ManyIndexes {
        path: PathBuf,
        prefixes: Vec<String>,
    },
    #[error(
        "{}: the file `checkpoint` in it names {named:?}, which is in another folder; give that prefix, or \
        the prefix of the one to take here{}",
        path.display(), listed(here)
    )]
    Elsewhere {
        path: PathBuf,
        named: String,
        here: Vec<String>,
    },
    #[error(
        "{file}: holds a Hugging Face model ({member}); unpack the archive and give the folder"
    )]
    ZippedModel { file: String, member: String },
    #[error("{file}: holds *.index files in several folders ({}); expected one folder with one checkpoint", folders.join(", "))]
    ManyFolders { file: String, folders: Vec<String> },
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
    #[error(transparent)]
    File(plain_file::Error),
    #[error("{file}: cannot read the archive: {}", zip_error::words(cause))]
    Zip {
        file: String,
        cause: zip::result::ZipError,
    },
    #[error(
        "{file}: member {member:?} would leave the folder of the archive; do not trust such an archive"
    )]
    MemberPath { file: String, member: String },
    #[error(
        "{file}: claims {size} bytes out of {compressed} compressed ones, which is not possible; download the archive again"
    )]
    MemberSize {
        file: String,
        size: u64,
        compressed: u64,
    },
    #[error(
        "{file}: its members claim {claimed} packed bytes, but the archive has {length}: they share bytes, \
        which valid archives never do"
    )]
    SharedBytes {
        file: String,
        claimed: u64,
        length: u64,
    },
    #[error("{file}: {size} bytes, more than the {limit} that are read")]
    TooLarge { file: String, size: u64, limit: u64 },
    #[error("{file}: missing; the checkpoint is not whole: copy or download it again")]
    Missing { file: String },
}

impl From<plain_file::Error> for Error {
    fn from(error: plain_file::Error) -> Self {
        match error {
            plain_file::Error::Missing { file } => Self::Missing { file },
            error => Self::File(error),
        }
    }
}

/// Formats `: a, b`, or nothing for an empty list.
fn listed(prefixes: &[String]) -> String {
    match prefixes {
        [] => String::new(),
        _ => format!(": {}", prefixes.join(", ")),
    }
}
