//! Describes a checkpoint: the model given by its names, shapes and settings, and its vocabulary.
//! Reads no values and writes nothing.

use std::path::Path;

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::RecordConfig;
use crate::plan::Plan;

/// A checkpoint that could be converted.
#[derive(Clone, Debug)]
pub struct Description {
    /// What its record's `config.json` would hold.
    pub config: RecordConfig,
    /// Whether it states how letter case and accents are treated. A TensorFlow checkpoint may not;
    /// its record then has the reference's default.
    pub states_case: bool,
    /// The files that state it, as named in messages.
    pub case_files: Vec<String>,
    /// The bytes of its `vocab.txt`.
    pub vocabulary: Option<Vec<u8>>,
}

/// Reads the index or the headers of the checkpoint at `input`.
///
/// # Errors
/// The errors that [`convert`](crate::convert) finds before it reads values.
pub fn describe(input: &Path) -> Result<Description, Error> {
    let checkpoint = Checkpoint::open(input)?;
    let config = Plan::new(&checkpoint)?.config;
    Ok(Description {
        states_case: checkpoint.tokenizer()?.do_lower_case.is_some(),
        case_files: checkpoint.case_files()?,
        vocabulary: checkpoint.vocabulary(config.model.vocab_size)?,
        config,
    })
}
