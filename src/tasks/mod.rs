//! What a model is fine-tuned for: each kind of task has a folder for its files, examples,
//! features, head, loss, answers and scorer.

pub mod argmax;
pub mod asked;
pub mod asked_file;
pub mod asking;
pub mod check_vocab;
pub mod classification;
pub mod data_check;
pub mod data_files;
pub mod description;
pub mod error;
pub mod featurized;
pub mod head;
pub mod held_out;
pub mod kind;
pub mod label;
pub mod last_trial;
pub mod loss;
pub mod model;
pub mod output;
pub mod predict;
pub mod prediction_lines;
pub mod prediction_record;
pub mod problem;
pub mod qa;
pub mod registry;
pub mod reply;
pub mod tagging;
pub mod task;
pub mod task_folder;

pub use error::Error;
