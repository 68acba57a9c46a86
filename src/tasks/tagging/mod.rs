//! Tagging: a tag for each word of a sentence, as chunking and named entities have them.
//!
//! [`reader`] reads the sentences of a file, [`labels`] numbers their tags, [`feature`] tokenises
//! them, and [`feature_file`] writes the result as JSON lines. [`scorer`] marks what a model predicts
//! of them, [`prediction`] writes it. [`task_data`] holds all of one file, [`text`] finds spans in a
//! text that somebody types. [`rules`] says where the reference's own task `chunk` differs from what
//! people expect of their data.

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
