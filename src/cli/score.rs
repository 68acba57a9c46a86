//! `electra score`: the official scorers, alone.

use std::{io::Write, path::PathBuf};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    durable_file::spare_inputs,
    eval::{
        json_file::write_json,
        score::{Metric, Request, score},
    },
};

/// The file in the folder of `--plots`.
const CURVES: &str = "pr_curves.json";

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
    /// The script to follow [default: told by the data]
    #[arg(long, value_name = "METRIC", value_parser = parse_metric())]
    pub metric: Option<Metric>,
    /// Folder for the points of the precision-recall curves (squad2 with --null-odds); adds the
    /// average precisions to the figures
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
}

fn parse_metric() -> impl TypedValueParser<Value = Metric> {
    let names = [Metric::Squad2, Metric::Squad1, Metric::Mrqa].map(Metric::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Metric>())
}

/// Prints the scorer's figures under its keys.
pub(super) fn run(args: &ScoreArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some(folder) = &args.plots {
        let inputs = [
            Some(&args.data),
            Some(&args.predictions),
            args.null_odds.as_ref(),
        ];
        let inputs = inputs.into_iter().flatten().map(PathBuf::as_path);
        spare_inputs(&folder.join(CURVES), inputs)?;
    }
    let request = Request {
        data: args.data.clone(),
        predictions: args.predictions.clone(),
        null_odds: args.null_odds.clone(),
        threshold: args.threshold,
        metric: args.metric,
        curves: args.plots.is_some(),
    };
    let (metric, report) = score(&request)?;
    if let Some(first) = report.missing.first() {
        log::warn!(
            "{} questions have no prediction, {first} first; the {metric} script {}",
            report.missing.len(),
            match metric {
                Metric::Squad1 => "counts them as wrong",
                Metric::Squad2 | Metric::Mrqa => "leaves them out",
            }
        );
    }
    if let (Some(folder), Some(curves)) = (&args.plots, &report.curves) {
        write_json(&folder.join(CURVES), curves)?;
    }
    writeln!(out, "{}", serde_json::to_string_pretty(&report.scores)?)?;
    Ok(())
}
