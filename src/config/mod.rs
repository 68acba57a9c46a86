//! The configuration of a run: every hyper-parameter, how given ones are combined with the
//! defaults, and the resulting file paths.
//!
//! [`given::read`] reads what the user gave; [`Draft::finish`] turns it and the checkpoint's facts
//! into a complete configuration, in the order of the reference's `configure_finetuning.py`;
//! [`Config::encoder`] derives the encoder's shape, and [`Config::paths`] the files of the run.

pub mod alias;
mod archive;
mod case;
pub mod check;
pub mod checkpoint_facts;
pub mod choice;
mod defaults;
mod difference;
mod draft;
pub mod encoder;
pub mod error;
mod eval_every;
pub mod given;
pub mod hparam;
mod model_name;
pub mod paths;
pub mod preset;
pub mod pretraining;
mod question_answering;
mod row;
mod table;
mod tasks;
mod tokenizer;
pub mod value;

pub use checkpoint_facts::{CheckpointFacts, Vocabulary};
pub use choice::{
    GradientCheckpointing, GradientExchange, LrDecayVariant, LrSchedule, ModelSize,
    OptimizerMoments, Precision,
};
pub use draft::{Draft, Resolved};
pub use encoder::EncoderConfig;
pub use error::Error;
pub use eval_every::EvalEvery;
pub use paths::{Paths, of_trial};
pub use preset::Preset;
pub use pretraining::{PretrainConfig, PretrainPreset};
pub use row::{Decides, Hparam, Source};
pub use table::{Config, ModelOverrides};
