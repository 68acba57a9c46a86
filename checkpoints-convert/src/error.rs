//! The error of every command of this crate: one variant a module, each with its own sentence.

use std::io;

use crate::{bundle, config, plan, source};

/// A conversion, inspection or verification that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error("{file}: cannot write the record: {source}")]
    Record {
        file: String,
        source: burn_pack::Error,
    },
    #[error("{file}: cannot read the record: {source}; convert the checkpoint again")]
    ReadRecord {
        file: String,
        source: burn_pack::Error,
    },
    #[error("{file}: cannot write: {source}; what was there before is unchanged")]
    Write { file: String, source: io::Error },
    #[error("{file}: cannot put the finished file here: {source}; convert again")]
    Publish { file: String, source: io::Error },
    #[error(
        "{file}: another conversion into this folder is running; wait for it or give another folder"
    )]
    Busy { file: String },
    #[error("{file}: the writing thread ended early")]
    WriterStopped { file: String },
}
