//! What can be wrong with a data set, its path, or the options that it is checked with.

use std::path::PathBuf;

use crate::data;

/// Why a data set could not be converted or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),

    #[error("{file}: the gzip archive cannot be unpacked; fetch the file again: {source}")]
    Gzip {
        file: String,
        source: std::io::Error,
    },

    #[error(
        "{file}: line {line}: expected one passage of at most {limit} bytes, found a longer line; \
         check that the file is MRQA JSON lines"
    )]
    LongLine { file: String, line: u64, limit: u64 },

    #[error(
        "{file}: expected a first line with the columns story_id, story_text, question and \
         answer_token_ranges, found no {column} in {found:?}; give a csv file of NewsQA's split_data"
    )]
    NoColumn {
        file: String,
        column: &'static str,
        found: String,
    },

    #[error(
        "{file}: {problem}; every row has the columns of the first line, text with commas or line \
         breaks stands in double quotes, and the file is UTF-8"
    )]
    Csv { file: String, problem: String },

    #[error(
        "{file}: expected SQuAD or QuAC JSON, MRQA JSON lines (also .gz) or NewsQA's tokenised csv, \
         found {found}"
    )]
    Unrecognised { file: String, found: String },

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
