//! Fine-tunes ELECTRA for question answering on any GPU that wgpu reaches, and on the CPU.
//!
//! Data flows one way: raw JSON → examples → windows → features → batches → model → loss →
//! optimiser → record → predictions → metrics. ARCHITECTURE.md is the map of the modules.
#![forbid(unsafe_code)]

pub mod batch;
pub mod bench;
pub mod cli;
pub mod config;
pub mod data;
pub mod device;
pub mod durable_file;
pub mod eval;
pub mod fine_tuned;
pub mod finetune;
pub mod kernels;
pub mod model;
pub mod packed;
pub mod quickstart;
pub mod reply;
pub mod report;
#[cfg(feature = "server")]
pub mod serve;
pub mod stop;
pub mod tasks;
pub mod tensorboard;
pub mod terminal;
pub mod text;
pub mod train;
pub mod user_cache;
pub mod utc;
