//! From raw files to batches: readers → examples → windows → features → batches.
//!
//! [`question_file`] reads a file, [`reader`] makes its examples, [`feature::featurize`] tokenises
//! and windows them, [`feature_file::write_features`] writes the result as JSON lines, and
//! [`batch`] with [`batch_plan`] turn features into the batches of each training or prediction
//! step.

pub mod batch;
pub mod batch_plan;
pub mod csv_file;
mod csv_rows;
pub mod error;
pub mod example;
pub mod feature;
pub mod feature_file;
mod json_form;
mod json_key;
pub(crate) mod json_text;
mod json_value;
pub mod normalizer;
pub mod paragraph;
mod python_literal;
pub mod question_file;
pub mod question_reader;
pub mod reader;
pub mod source;
pub mod token_counts;
pub mod tokenizer;
pub mod vocab;
pub mod window;
pub mod wordpiece;

pub use error::Error;
