//! Why data files could not be split, merged or counted.

use std::path::PathBuf;

use crate::{
    counted::counted,
    data,
    tasks::{data_check, held_out::NoneHeld, qa},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Check(#[from] data_check::Error),
    #[error(transparent)]
    Questions(#[from] qa::error::Error),
    #[error(transparent)]
    Dataset(#[from] qa::dataset::Error),

    #[error("{}: exists, and is not replaced; give another file, or move it away", path.display())]
    Exists { path: PathBuf },

    #[error("{}: both parts would go there; give each its own file", path.display())]
    SameOutput { path: PathBuf },

    #[error("{}: the file cannot be written; check that its folder exists, may be written and has room", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("{file}: expected {noun}s, found none; {advice}")]
    Empty {
        file: String,
        noun: &'static str,
        advice: &'static str,
    },

    #[error("--share {share}: {source}")]
    Share { share: f64, source: NoneHeld },

    #[error("{file}: expected articles, or rows with a title, found none; give --by passage")]
    NoArticles { file: String },

    #[error(
        "{file}: expected passages, found rows of texts or words, which have none; give --by row"
    )]
    NoPassages { file: String },

    #[error(
        "{file}: expected JSON that can be written again as it is, found {found}; `electra data squad` \
         makes SQuAD 2.0 of questions"
    )]
    NotAsItIs { file: String, found: String },

    #[error("{file}: expected {expected}, as {first} has it, found {found}; {advice}")]
    Differs {
        file: String,
        first: String,
        expected: String,
        found: String,
        advice: &'static str,
    },

    #[error(
        "expected each id once, found {} with an id that an earlier one has, {doubles} of them the same \
         question on the same passage: {examples}; leave one of the files out, or give --rename for new ids",
        counted(*count, "question")
    )]
    Collisions {
        count: usize,
        doubles: usize,
        examples: String,
    },

    #[error(
        "--rename: {file} has rows of texts or words, which have no ids to rename; leave it out"
    )]
    NoIds { file: String },
}
