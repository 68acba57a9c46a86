//! Splits, merges and compares existing data files in their own form.
//!
//! `item_file` reads a file into items; `question_items` and `row_items` interpret the items.
//! [`split`] and [`merge`] write new files from them and never replace one; [`stats`] counts.

mod error;
mod item_file;
pub mod merge;
mod new_file;
mod question_items;
mod row_items;
pub mod split;
pub mod stats;

pub use error::Error;
