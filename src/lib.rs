//! Pre-trains and fine-tunes ELECTRA on any GPU that wgpu supports, and on the CPU.
//!
//! Data flows one way: raw JSON → examples → windows → features → batches → model → loss →
//! optimiser → record → predictions → metrics. ARCHITECTURE.md is the map of the modules.
//!
//! The program's commands are in [`cli`]. These are the main entry points for other programs, each
//! with an example:
//!
//! | | |
//! |---|---|
//! | convert a checkpoint and compare the record | [`checkpoints_convert::convert`], [`checkpoints_convert::verify`] |
//! | open a device | [`device::choose`] |
//! | open a fine-tuned model and ask it | [`fine_tuned::FineTuned`] |
//! | the encoder alone | [`model::electra::Electra`] |
//! | hyper-parameters | [`config::Config::resolve`] |
//! | read a data file | [`tasks::qa::reader::read_task`] |
//! | text → ids | [`text::tokenizer::Tokenizer`] |
//! | questions → features | [`tasks::qa::feature::featurize`] |
//! | score predictions | [`tasks::qa::scorers::score::score`] |
//!
//! Other public items serve the program, its tests and its benchmarks, and may change between minor
//! versions. The feature `server`, on by default, is `electra serve`.
#![deny(unsafe_code)]

pub mod batch;
pub mod bench;
pub mod cli;
pub mod config;
pub mod counted;
pub mod data;
pub mod device;
pub mod durable_file;
pub mod eval;
pub mod fine_tuned;
pub mod finetune;
pub mod kernels;
pub mod model;
pub mod packed;
pub mod pretrain;
pub mod progress;
pub mod quickstart;
pub mod ranks;
pub mod report;
#[cfg(feature = "server")]
pub mod serve;
pub mod shell;
pub mod step_record;
pub mod stop;
pub mod tasks;
pub mod tensorboard;
pub mod terminal;
pub mod text;
pub mod train;
pub mod user_cache;
pub mod utc;
