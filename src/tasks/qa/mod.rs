//! Question answering on a passage: SQuAD 2.0 and 1.1, and MRQA's data sets.
//!
//! [`raw`] reads the questions of a file, [`reader`] makes examples of them,
//! [`feature::featurize`] tokenises and windows these, and [`feature_file::write_features`] writes
//! the result as JSON lines. [`dataset`] converts and checks files, [`analysis`] tells what goes
//! wrong with predictions.

pub mod analysis;
pub mod dataset;
pub mod example;
pub mod feature;
pub mod feature_file;
pub mod raw;
pub mod reader;
pub mod token_counts;
pub mod window;
