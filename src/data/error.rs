//! What can be wrong with a data file, a vocabulary or a data option.
//!
//! Every message names the file or the option, what was expected, what was found and what to do.
//! Nothing that a user can type or download makes this module's neighbours panic.

use std::path::PathBuf;

/// Why data could not be read, batched or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: the file cannot be read; check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("{}: there is no such file, but {found} is beside it; rename it, or check the task's name", path.display())]
    OtherName { path: PathBuf, found: String },

    #[error("{}: expected a file, found {found}; give the path of a file", path.display())]
    NotAFile { path: PathBuf, found: &'static str },

    #[error("{file}: the gzip archive cannot be unpacked; fetch the file again: {source}")]
    Gzip {
        file: String,
        source: std::io::Error,
    },

    #[error(
        "{file}: expected text of a reasonable size, found {found}; unpack or save it as a plain file"
    )]
    TooLarge { file: String, found: &'static str },

    #[error(
        "{file}: line {line}: expected a passage or a row of at most {limit} bytes, found a longer line; \
         check that the file is JSON lines or a csv file, and that every quote is closed"
    )]
    LongLine {
        file: String,
        line: usize,
        limit: usize,
    },

    #[error(
        "{file}: {problem}; every row has the columns of the first line, text with commas or line breaks is \
         in double quotes, and the file is UTF-8"
    )]
    Csv { file: String, problem: String },

    #[error(
        "{file}: expected a first line with the columns {expected}, found no {column} in {found:?}; {advice}"
    )]
    NoColumn {
        file: String,
        expected: &'static str,
        column: &'static str,
        found: String,
        advice: &'static str,
    },

    #[error("{}: the file cannot be written; check that its folder exists, may be written and has room", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("{file}: expected UTF-8 text, found {found}; {advice}")]
    NotText {
        file: String,
        found: String,
        advice: &'static str,
    },

    #[error("{split:?} is not a split; expected train, dev or test")]
    UnknownSplit { split: String },

    #[error("{file}: not a usable vocabulary: {problem}; {advice}")]
    Vocab {
        file: String,
        problem: String,
        advice: &'static str,
    },

    #[error("{name}: expected {expected}, found {found}")]
    Option {
        name: &'static str,
        expected: &'static str,
        found: String,
    },

    #[error(
        "feature {index} was asked for, but there are {count}: the batch plan belongs to another feature list"
    )]
    NoSuchFeature { index: usize, count: usize },
}
