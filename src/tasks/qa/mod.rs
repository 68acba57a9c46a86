//! Question answering on a passage: SQuAD 2.0 and 1.1, and MRQA's data sets.
//!
//! [`raw`] reads the questions of a file, [`reader`] turns them into examples,
//! [`feature::featurize`] tokenises and windows these, and [`feature_file::write_features`] writes
//! the result as JSON Lines. [`span_head`] and [`beam`] are what the model adds to its encoder, and
//! [`loss`] is its training loss. [`predict::predict`] runs the model, [`answers`] turns its
//! outputs into answers, [`scorers`] score them, and [`evaluate`] does all of it for one file.
//! [`dataset`] converts and checks files, and [`analysis`] analyses the errors of predictions.

pub mod analysis;
pub mod answers;
pub mod ask;
pub mod beam;
pub mod dataset;
pub mod dev_target;
pub mod error;
pub mod evaluate;
pub mod example;
pub mod feature;
pub mod feature_file;
pub mod loss;
pub mod no_answer;
pub mod predict;
mod question_answers;
mod question_file;
pub mod raw;
pub mod reader;
pub mod reply;
pub mod report;
pub mod scorers;
pub mod span_head;
pub mod task;
pub mod token_counts;
pub mod window;
