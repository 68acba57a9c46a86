//! `electra score`: the official scorers on their own.

use std::{io::Write, path::PathBuf};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::GlobalArgs;
use crate::{
    counted::counted_with,
    durable_file::spare_inputs,
    eval::json_file::write_json,
    tasks::qa::{
        answers::provenance::Provenance,
        no_answer::threshold::{self, ThresholdChoice},
        scorers::{
            basis::Basis,
            metric::Metric,
            report::Report,
            score::{Request, score, without_null_odds},
        },
    },
};

/// Name of the file in the folder of `--plots`.
const CURVES: &str = "pr_curves.json";

/// Score answers as the official SQuAD and MRQA scripts do
///
/// Predictions that this program wrote have a record next to them (PREDICTIONS.provenance.json), which
/// provides the metric, the null odds and the threshold unless they are given. Standard error says what
/// was used.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra score --data dev.json --predictions squad_preds.json \\
    --null-odds squad_null_odds.json --threshold -2.75")]
pub struct ScoreArgs {
    /// File with the questions and their gold answers
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// File with the predicted answers: a JSON object from question id to text
    #[arg(long, value_name = "FILE")]
    pub predictions: PathBuf,
    /// File with the no-answer scores (null odds): a JSON object from question id to number, for squad2
    /// [default: from the predictions' record]
    #[arg(long, value_name = "FILE")]
    pub null_odds: Option<PathBuf>,
    /// No-answer score (null odds) above which a question has no answer [default: from the predictions'
    /// record, else 1.0 as in the official script]
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        value_parser = threshold::parse
    )]
    pub threshold: Option<f64>,
    /// Script to follow [default: from the predictions' record, else from the data]
    #[arg(long, value_name = "METRIC", value_parser = parse_metric())]
    pub metric: Option<Metric>,
    /// Output folder for the points of the precision-recall curves (squad2 with null odds); adds the average
    /// precisions to the scores
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
}

fn parse_metric() -> impl TypedValueParser<Value = Metric> {
    let names = [Metric::Squad2, Metric::Squad1, Metric::Mrqa].map(Metric::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Metric>())
}

/// Prints the scorer's figures under its own keys, and on standard error what they are based on.
pub(super) fn run(
    args: &ScoreArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let basis = Basis::of(
        &args.data,
        &args.predictions,
        args.null_odds.as_deref(),
        args.threshold.map(ThresholdChoice::At),
        args.metric,
    )?;
    if let Some(folder) = &args.plots {
        let record = Provenance::path(&args.predictions);
        let inputs = [&args.data, &args.predictions, &record].into_iter();
        let inputs = inputs.chain(&basis.null_odds).map(PathBuf::as_path);
        spare_inputs(&folder.join(CURVES), inputs)?;
    }
    let request = Request {
        data: args.data.clone(),
        predictions: args.predictions.clone(),
        threshold: match basis.threshold {
            // Without null odds there is no threshold; the scorer refuses one that was given.
            ThresholdChoice::At(threshold) if basis.null_odds.is_some() => Some(threshold),
            _ => args.threshold,
        },
        null_odds: basis.null_odds.clone(),
        metric: basis.metric,
        curves: args.plots.is_some(),
    };
    let (metric, report) = score(&request)?;
    tell_mismatch(&report, metric);
    let (data, predictions) = (&request.data, &request.predictions);
    if report.threshold.is_none()
        && let Some(advice) = without_null_odds(data, predictions, &report.scores, report.empty)
    {
        log::warn!("{advice}");
    }
    if let (Some(folder), Some(curves)) = (&args.plots, &report.curves) {
        write_json(&folder.join(CURVES), curves)?;
    }
    writeln!(out, "{}", serde_json::to_string_pretty(&report.scores)?)?;
    out.flush()?;
    let effect = report.threshold.as_ref();
    let progress = global.progress();
    progress.note(&basis.line(metric, effect.map(|effect| effect.threshold)));
    let advice = effect.and_then(|effect| effect.advice(basis.threshold_name()));
    if let Some(advice) = advice {
        progress.note(&advice);
    }
    progress.done();
    Ok(())
}

/// Reports questions without predictions, and predictions without questions.
fn tell_mismatch(report: &Report, metric: Metric) {
    if let Some(first) = report.missing.first() {
        log::warn!(
            "{} no prediction (the first is {first}); the {metric} script {}",
            counted_with(report.missing.len(), "question", ["has", "have"]),
            match metric {
                Metric::Squad1 => "counts such questions as wrong",
                Metric::Squad2 => "leaves such questions out",
                Metric::Mrqa => {
                    "leaves such questions out if called with --skip-no-answer, as by Google's code; \
                     without that flag it counts them as wrong"
                }
            }
        );
    }
    if let Some(first) = report.unknown.first() {
        log::warn!(
            "{} to no question in the data (the first is {first}); left out",
            counted_with(report.unknown.len(), "prediction", ["belongs", "belong"])
        );
    }
}
