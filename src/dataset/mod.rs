//! Other data sets' own files: turned into SQuAD 2.0 JSON, and checked before a run is spent on
//! them.
//!
//! [`quac`], [`newsqa`] and [`mrqa`] read a source and hand on its questions paragraph by
//! paragraph; [`convert`] writes them through [`squad_writer`], [`check`] looks at them instead.
//! What a source holds that SQuAD cannot is counted in [`dropped`].

pub mod check;
pub mod convert;
pub mod counts;
pub mod dropped;
pub mod error;
pub mod format;
pub mod mrqa;
pub mod newsqa;
pub mod place;
pub mod problem;
pub mod quac;
pub mod source;
pub mod squad;
pub mod squad_writer;
pub mod token_lengths;

pub use error::Error;
