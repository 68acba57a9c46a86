//! The model's outputs for windows → each question's answers, and the files that hold them.
//!
//! [`candidate`] finds the spans of a window, [`nbest`] ranks those of a question, and [`answer`]
//! finds their text in the passage; [`provenance`] records how to score the files.

pub mod answer;
pub mod answer_files;
pub mod answer_map;
pub mod candidate;
pub mod nbest;
pub mod prediction_file;
pub mod provenance;
pub mod question_map;
