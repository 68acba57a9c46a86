//! From raw files to batches: readers → examples → windows → features → batches.
//!
//! [`reader::read_task`] reads a task's file, [`feature::featurize`] tokenises and windows it,
//! [`feature_file::write_features`] writes the result as JSON lines, and [`batch`] with
//! [`batch_plan`] turn features into the batches of each training or prediction step.

pub mod batch;
pub mod batch_plan;
pub mod error;
pub mod example;
pub mod feature;
pub mod feature_file;
pub mod mrqa;
pub mod normalizer;
pub mod reader;
pub mod squad;
pub mod token_counts;
pub mod tokenizer;
pub mod vocab;
pub mod window;
pub mod wordpiece;

pub use error::Error;
