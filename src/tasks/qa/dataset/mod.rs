//! Other data sets' own files: converted to SQuAD 2.0 JSON, and checked before a run is spent on
//! them.
//!
//! [`quac`], [`newsqa`], [`mrqa`] and [`squad`] take what the reader of [`raw`](super::raw) yields
//! and pass on what can be kept of it; [`convert`] writes that through [`squad_writer`], while
//! [`check`] only examines it. What a source contains but SQuAD cannot represent is counted in
//! [`dropped`].

pub mod check;
pub mod convert;
pub mod counts;
pub mod dropped;
pub mod error;
pub mod mrqa;
pub mod newsqa;
pub mod place;
pub mod problem;
pub mod quac;
pub mod sieve;
pub mod squad;
pub mod squad_writer;
pub mod token_lengths;

pub use error::Error;
