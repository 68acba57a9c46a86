//! Pre-training: builds examples of [CLS] a [SEP] b [SEP] from a corpus, in one file of token ids; from those
//! it trains a generator that replaces tokens and a discriminator that detects them.
//!
//! The rules are those of the reference's `build_pretraining_dataset.py`; the file format is our own. Text is
//! split into blocks of lines ([`text_blocks`]), all cores turn blocks into ids ([`token_block`]), and a
//! single thread combines them in order ([`example_builder`], [`token_writer`]), so that the file does not
//! depend on the number of cores. [`examples`] reads it, and Google's record files, by number.
//!
//! A run ([`run`]) feeds batches ([`batches`]) with masks ([`masking`]) through the [`networks`];
//! [`objective`] computes losses and gradients, and [`figures`] the metrics.

mod assembler;
pub mod batches;
pub mod build;
mod chance;
pub mod continued;
pub mod corpus;
pub mod epoch_order;
mod error;
mod evaluation;
pub mod example;
pub mod example_builder;
pub mod examples;
pub mod figures;
mod file_pattern;
mod guess;
pub mod hours;
pub mod masking;
pub mod memory_plan;
pub mod model_files;
pub mod networks;
pub mod objective;
pub mod operations;
pub mod part;
mod partial;
mod pipeline;
mod position_read;
pub mod probe;
pub mod random;
pub mod recorded_masks;
pub mod replay;
pub mod report;
pub mod run;
pub mod run_origin;
pub mod schedule;
pub mod seen;
pub mod settings;
pub mod step;
pub mod step_log;
pub mod symptoms;
mod text_blocks;
pub mod tfrecord;
mod token_block;
pub mod token_file;
mod token_writer;
mod trained_positions;
pub mod vocabulary;

pub use error::Error;
