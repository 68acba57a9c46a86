//! Flags for the page that `electra report` writes.

use std::path::PathBuf;

use clap::Args;

use crate::report::EXAMPLES;

/// Where the page goes, and how much it shows.
#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    /// Output file
    #[arg(long, value_name = "FILE.html")]
    pub output: PathBuf,
    /// Page title [default: the name of the data file, or of the model and its tasks]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Maximum number of examples to show per class
    #[arg(long, value_name = "N", default_value_t = EXAMPLES)]
    pub examples: usize,
}
