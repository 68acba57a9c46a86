//! Data files: their bytes, plain or packed, as text, as csv and as JSON, and the splits that they
//! are of.

pub mod csv_file;
pub mod error;
pub mod existing_file;
pub(crate) mod json_text;
pub mod line_reader;
pub mod source;
pub mod split;
pub mod spread;

pub use error::Error;
