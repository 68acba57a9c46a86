//! Data files: their bytes, plain or packed, as text, csv and JSON, and the splits that they belong
//! to.

pub mod csv_file;
pub mod error;
pub mod existing_file;
pub(crate) mod json_text;
pub mod line_reader;
pub mod source;
pub mod split;
pub mod spread;

pub use error::Error;
