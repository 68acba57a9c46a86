//! Data files at hand, parted, put together and held side by side, in the form that they have.
//!
//! `item_file` reads a file as it stands; `question_items` and `row_items` know what its items are.
//! [`split`] and [`merge`] write new files of them, and no file is replaced; [`stats`] counts.

mod error;
mod item_file;
pub mod merge;
mod new_file;
mod question_items;
mod row_items;
pub mod split;
pub mod stats;

pub use error::Error;
