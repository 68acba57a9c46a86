//! Converts TensorFlow 1.15 ELECTRA checkpoints to Burn records, without Python.
//!
//! Data flows one way: zip, folder or prefix (`source`) → variables with checked sums (`bundle`)
//! → their places in the model (`names`, `plan`) → `model.bpk` (`record`) and a report of every
//! variable (`report`); `verify` reads both ends again.
#![forbid(unsafe_code)]

pub mod bundle;
mod checkpoint;
mod config;
mod convert;
mod error;
mod inspect;
mod names;
mod plan;
mod record;
mod report;
mod source;
mod staging;
mod verify;

pub use config::{Error as ConfigError, HeadShape, ModelShape, RecordConfig};
pub use convert::{CONFIG_FILE, RECORD_FILE, REPORT_FILE, VOCABULARY_FILE, convert};
pub use error::Error;
pub use inspect::{Inspection, inspect};
pub use names::{Parameter, parameters};
pub use plan::Error as PlanError;
pub use report::{Report, SourceReport, Totals, VariableReport};
pub use source::{Error as SourceError, is_checkpoint};
pub use verify::{Verification, verify};
