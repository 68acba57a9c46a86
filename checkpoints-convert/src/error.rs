//! The error type of every command of this crate, with one variant per module.

use std::io;

use crate::{bundle, config, plain_file, source, tensor};

/// A conversion, inspection or verification that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    #[error(transparent)]
    Tensor(#[from] tensor::Error),
    #[error(transparent)]
    HuggingFace(#[from] crate::hugging_face::Error),
    #[error(transparent)]
    Plan(#[from] crate::plan::Error),
    #[error(transparent)]
    File(#[from] plain_file::Error),
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(
        "{folder}: {what}; expected the folder of a record (model.bpk, config.json), as `convert` and `finetune` make it"
    )]
    NoRecord { folder: String, what: &'static str },
    #[error(
        "{folder}: the run that trains this model has not ended, so there is no model yet; repeat the run's command to end it, or give {checkpoint}"
    )]
    Unfinished {
        folder: String,
        /// Its newest.
        checkpoint: String,
    },
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
    #[error("{file}: {why} and would be replaced by the record's; give another folder")]
    Occupied { file: String, why: &'static str },
    #[error(
        "{file}: has the name of an unfinished conversion's folder, but is not one; remove it or give another \
        folder"
    )]
    Staging { file: String },
    #[error(
        "{file}: not empty, and not an earlier export in this format; give a new or an empty folder"
    )]
    NotEmpty { file: String },
    #[error("{file}: no head for task {task:?}; it has {heads}")]
    NoHead {
        file: String,
        task: String,
        heads: String,
    },
    #[error(
        "{file}: head {task:?} cannot be exported to transformers: {}",
        why.strip_prefix("head of a task: ").unwrap_or(why)
    )]
    Head {
        file: String,
        task: String,
        why: &'static str,
    },
    #[error("{file}: cannot read: missing; put the vocabulary of this model there")]
    Vocabulary { file: String },
    #[error(
        "{file}: parameter {parameter} should be F32 {expected:?} according to config.json, the record has \
        {found}; the two files do not belong together"
    )]
    Parameter {
        file: String,
        parameter: String,
        expected: Vec<u64>,
        found: String,
    },
    #[error(
        "{file}: parameter {parameter} should be F32 {expected:?} to fit the others, the file has {found}; \
        pre-train or convert again"
    )]
    Pretrained {
        file: String,
        parameter: String,
        expected: Vec<u64>,
        found: String,
    },
    #[error("{folder}: cannot export the {network}: {why}")]
    Network {
        folder: String,
        network: &'static str,
        why: &'static str,
    },
    #[error("{folder}: holds the export of the {earlier}; give the {network} a folder of its own")]
    OtherNetwork {
        folder: String,
        earlier: &'static str,
        network: &'static str,
    },
    #[error(
        "--network is for --format hf: a TensorFlow checkpoint holds all networks; leave it out"
    )]
    NetworkOfTensorflow,
    #[error("{file}: not the state of a run's checkpoint: {source}; export another checkpoint")]
    State {
        file: String,
        source: serde_json::Error,
    },
    #[error("{file}: the writing thread ended early")]
    WriterStopped { file: String },
}
