//! `electra features`: the featurised data as JSON lines.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::hyper_parameters::RunArgs;
use crate::data::example::Split;

/// Write the features that a task's file becomes, one JSON object a line
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra features --data-dir data --model-name electra_large --set task_names=squad \\
    --split dev --output features.dev.jsonl")]
pub struct FeaturesArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// The part of the data
    #[arg(long, value_name = "SPLIT", value_parser = parse_split())]
    pub split: Split,
    /// The file to write
    #[arg(long, value_name = "FILE.jsonl")]
    pub output: PathBuf,
}

fn parse_split() -> impl TypedValueParser<Value = Split> {
    let splits = [Split::Train, Split::Dev];
    PossibleValuesParser::new(splits.map(Split::name)).try_map(move |name| {
        splits
            .into_iter()
            .find(|split| split.name() == name)
            .ok_or("expected train or dev")
    })
}
