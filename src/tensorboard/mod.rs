//! TensorBoard event files: scalars of a run beside its `train_log.jsonl`.
//!
//! [`event`] has the messages, [`frame`] the file format around them, and [`event_log`] what a run
//! writes; [`scalars`] reads a folder as TensorBoard shows it.

pub mod event;
pub mod event_log;
pub mod frame;
pub mod scalars;
