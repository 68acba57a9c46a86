//! `electra score`: the official scorers, alone.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::eval::score::Metric;

/// Score answers as the official scripts of SQuAD 2.0, SQuAD 1.1 and MRQA do
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra score --data dev.json --predictions squad_preds.json \\
    --null-odds squad_null_odds.json --threshold -2.75")]
pub struct ScoreArgs {
    /// The questions and their right answers
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The answers: an object from question id to text
    #[arg(long, value_name = "FILE")]
    pub predictions: PathBuf,
    /// The null scores: an object from question id to number (squad2)
    #[arg(long, value_name = "FILE")]
    pub null_odds: Option<PathBuf>,
    /// Null score above which a question counts as unanswerable [default: that of the official
    /// script, 1.0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// The script to follow
    #[arg(long, value_name = "METRIC", default_value = "squad2", value_parser = parse_metric())]
    pub metric: Metric,
    /// Folder for the curves of precision and recall (squad2 with --null-odds)
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
}

fn parse_metric() -> impl TypedValueParser<Value = Metric> {
    let names = [Metric::Squad2, Metric::Squad1, Metric::Mrqa].map(Metric::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Metric>())
}
