//! From bytes to batches: sources and their text, the tokenizer, and which features stand in the
//! batch of each training or prediction step.

pub mod batch;
pub mod batch_plan;
pub mod csv_file;
pub mod error;
pub(crate) mod json_text;
pub mod normalizer;
pub mod source;
pub mod tokenizer;
pub mod vocab;
pub mod wordpiece;

pub use error::Error;
