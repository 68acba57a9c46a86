//! What the model says of windows → each question's answers, and the files that hold them.
//!
//! [`candidate`] finds the spans of a window, [`nbest`] ranks those of a question, [`answer`] finds
//! their text in the passage; [`provenance`] says what the files are scored with.

pub mod answer;
pub mod answer_files;
pub mod answer_map;
pub mod candidate;
pub mod nbest;
pub mod prediction_file;
pub mod provenance;
pub mod question_map;
