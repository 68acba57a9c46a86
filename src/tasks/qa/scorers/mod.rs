//! Answers → metrics, as the official scorers compute them.
//!
//! [`score::score`] scores answer files; [`squad2`], [`squad1`] and [`mrqa`] score answers in
//! memory.

pub mod basis;
pub mod gold;
pub mod mark;
pub(crate) mod marked;
pub mod metric;
pub mod mrqa;
pub mod normalize;
pub mod overlap;
pub mod report;
pub mod score;
pub mod shown;
pub mod squad1;
pub mod squad2;
