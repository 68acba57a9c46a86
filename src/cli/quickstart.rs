//! `electra quickstart`: the whole pipeline on data and a model that the program carries.

use std::path::PathBuf;

use clap::Args;

use super::{compute::ComputeArgs, hyper_parameters::GivenArgs};

/// Convert, train, evaluate and ask, on a small model and data that the program carries
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra quickstart --output quickstart")]
pub struct QuickstartArgs {
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "electra-quickstart")]
    pub output: PathBuf,
    #[command(flatten)]
    pub given: GivenArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
}
