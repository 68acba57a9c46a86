//! Tagging: a tag for each word of a sentence, as in chunking and named entity recognition.
//!
//! [`reader`] reads the sentences of a file, [`labels`] assigns ids to their tags, [`feature`]
//! tokenises them, and [`feature_file`] writes the result as JSON Lines. [`scorer`] scores a
//! model's predictions, and [`prediction`] writes them. [`task_data`] combines everything about one
//! file, and [`text`] finds spans in a user's text. [`rules`] says where the reference's own task
//! `chunk` differs from what users expect for their data.

pub mod ask;
pub mod asked_file;
pub mod check;
mod conll;
pub mod error;
pub mod feature;
pub mod feature_file;
pub mod head;
mod json_rows;
pub mod labels;
pub mod options;
pub mod prediction;
pub mod reader;
pub mod reply;
pub mod report;
pub mod rules;
pub mod run;
pub mod scheme;
pub mod scorer;
pub mod sentence;
pub mod span;
pub mod tag;
mod tag_reader;
pub mod task_data;
pub mod text;
