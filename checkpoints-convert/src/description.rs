//! What a checkpoint is: the model that its names, shapes and settings tell, and its vocabulary.
//! No values are read and nothing is written.

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
    /// Whether it says what becomes of letter case and accents. A TensorFlow checkpoint may not: its
    /// record has the reference's default then.
    pub states_case: bool,
    /// The files that say it, as messages call them.
    pub case_files: Vec<String>,
    /// The bytes of its `vocab.txt`.
    pub vocabulary: Option<Vec<u8>>,
}

/// Reads the index or the headers of the checkpoint at `input`.
///
/// # Errors
/// What [`convert`](crate::convert) finds wrong before it reads values.
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
