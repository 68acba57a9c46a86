//! Why files could not be checked.

use std::path::PathBuf;

use crate::{
    data,
    tasks::{classification, description, qa::dataset, registry::UnknownTask, tagging},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Questions(#[from] dataset::Error),
    #[error(transparent)]
    Texts(#[from] classification::error::Error),
    #[error(transparent)]
    Words(#[from] tagging::error::Error),
    #[error(transparent)]
    Description(#[from] description::Error),

    #[error(
        "{0}; a user-defined task has a task.json beside its data: give its folder, or --description"
    )]
    UnknownTask(#[from] UnknownTask),

    #[error(
        "{}: expected the folder of a task, with a task.json or named after one of {names}, found neither; \
         give a file, --task or --description",
        path.display()
    )]
    NoTask { path: PathBuf, names: String },

    #[error("{}: expected a file of {task}, found none; put its files there under their names", path.display())]
    NoFile { path: PathBuf, task: &'static str },

    #[error(
        "--max-seq-length: expected a number from 5 to {positions}, as a run takes it, found {found}; give \
         such a number, or --vocab with the folder of a model that has more positions"
    )]
    SequenceLength { positions: usize, found: usize },

    #[error("--max-query-length: expected a number of at least 1, as a run takes it, found 0")]
    QueryLength,

    #[error("{}: a folder of questions; give its files one by one", path.display())]
    FolderOfQuestions { path: PathBuf },
}
