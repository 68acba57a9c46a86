//! What can be wrong with the metrics files of a run.
//!
//! Every message names the file, what was expected, what was found and what to do; the underlying
//! cause, if there is one, is the error's source.

use std::path::PathBuf;

/// Why metrics could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Gold data that cannot be read; the message comes from its reader.
    #[error(transparent)]
    Data(#[from] crate::data::Error),

    #[error("{}: the file cannot be read as UTF-8 text; check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("{}: the file cannot be written; check that its folder exists, may be written and has room", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },

    /// `expected` describes what the whole file should be.
    #[error("{}: not one JSON object; expected {expected}", path.display())]
    Json {
        path: PathBuf,
        expected: &'static str,
        source: serde_json::Error,
    },

    #[error(
        "{} {place}: expected {expected}; give the T_results.json or T_results.txt of a run",
        path.display()
    )]
    Results {
        path: PathBuf,
        place: String,
        expected: &'static str,
    },
}
