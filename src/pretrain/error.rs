//! What can be wrong with a corpus, with the files made from it, and with the files used to make them.

use std::{io, path::PathBuf};

use crate::data;

/// Why pre-training data could not be built or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),

    #[error("{}: {action} failed: {source}; {advice}", path.display())]
    Io {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
        advice: &'static str,
    },

    #[error("{}: expected a corpus, found {found}; {advice}", path.display())]
    Corpus {
        path: PathBuf,
        found: String,
        advice: &'static str,
    },

    #[error(
        "{file}: line {line}: expected an object with the key text: {found}; a row of a .jsonl file is \
         {{\"text\": \"…\"}}, other keys are ignored"
    )]
    Row {
        file: String,
        line: usize,
        found: String,
    },

    #[error(
        "{}: is inside the corpus {}, whose files are all read as text; {advice}",
        file.display(),
        corpus.display()
    )]
    InCorpus {
        file: PathBuf,
        corpus: PathBuf,
        advice: &'static str,
    },

    #[error("{}: {found}; remove it to build it again, or choose another --output", output.display())]
    Exists { output: PathBuf, found: String },

    #[error(
        "{}: contains what an interrupted run made with {differing}; use the same to resume it, or remove \
         the folder to start over",
        folder.display()
    )]
    OtherRun { folder: PathBuf, differing: String },

    #[error(
        "{}: expected the folder of an interrupted run, found {found}; move it away or remove it, or \
         choose another --output",
        folder.display()
    )]
    NotPartial { folder: PathBuf, found: String },

    #[error("{}: another process is writing there; wait for it, or choose another --output", folder.display())]
    Held { folder: PathBuf },

    #[error("{file}: {problem}; {advice}")]
    Replay {
        file: String,
        problem: String,
        advice: &'static str,
    },

    #[error("{}: expected {expected}, found {found}; {advice}", path.display())]
    Examples {
        path: PathBuf,
        expected: String,
        found: String,
        advice: &'static str,
    },

    #[error("stopped at {place}; the same command resumes")]
    Stopped { place: String },
}

impl Error {
    /// Whether the user stopped the work, which is not a failure.
    pub fn was_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }
}
