//! What a run is told: every hyper-parameter, how the given ones meet the defaults, and the files
//! that follow from them.
//!
//! [`given::read`] reads what the user gave, [`Config::resolve`] makes a whole configuration of it
//! in the order of the reference's `configure_finetuning.py`, [`Config::encoder`] derives the
//! encoder's shape and [`Config::paths`] the files of the run.

pub mod check;
pub mod choice;
pub mod encoder;
pub mod error;
pub mod given;
pub mod hparam;
pub mod paths;
pub mod preset;
pub mod resolve;
pub mod value;

pub use choice::{GradientCheckpointing, LrDecayVariant, ModelSize, OptimizerMoments, Precision};
pub use encoder::EncoderConfig;
pub use error::Error;
pub use hparam::{Config, Decides, Hparam, ModelOverrides, Source};
pub use paths::{Paths, of_trial};
pub use preset::Preset;
