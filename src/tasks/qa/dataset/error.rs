//! What can be wrong with a data set, its path, or the options of a check.

use std::path::PathBuf;

use crate::{data, tasks::qa};

/// Why a data set could not be converted or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Questions(#[from] qa::error::Error),

    #[error(
        "{file}: expected questions with a place for their answers, found none{dropped}; check that \
         the file is of this data set and whole"
    )]
    Empty { file: String, dropped: String },

    #[error("{}: the output is the input; give another path for it", path.display())]
    SamePath { path: PathBuf },

    #[error("{}: the file cannot be written; check that its folder exists, may be written and has room", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}
