//! Sentence classification and regression: GLUE, and users' own tables of labelled texts.
//!
//! [`task`] knows a task's splits, labels and metric, from [`glue`] or a
//! [`description`](super::description), and reads its files into examples. [`feature::featurize`]
//! tokenises these, and [`feature_file`] writes the result as JSON Lines. [`prediction`] holds a
//! model's output for an example and its loss, [`scorers`] score it, [`prediction_file`] and
//! [`submission`] write it, and [`data`] combines everything about one file. [`report`] shows the
//! results.

pub mod advice;
pub mod ask;
pub mod asked_file;
pub mod check;
mod columns;
pub mod data;
pub mod error;
pub mod example;
pub mod example_loss;
pub mod feature;
pub mod feature_file;
pub mod glue;
mod glue_reader;
pub mod head;
pub mod labels;
pub mod layout;
pub mod metric;
pub mod own_rows;
pub mod plain_rows;
pub mod prediction;
pub mod prediction_file;
pub mod read_options;
pub mod reply;
pub mod report;
mod rows;
pub mod run;
pub mod scorers;
pub mod submission;
pub mod table;
pub mod table_kind;
mod table_reader;
pub mod task;
pub mod text_file;
pub mod text_names;
mod train_labels;
