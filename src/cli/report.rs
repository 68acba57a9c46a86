//! `electra report`: scores, curves and error analysis of predictions as one HTML file.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::bail;
use checkpoints_convert::printable;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::{
    GlobalArgs, print_beside, print_json_beside,
    report_page::PageArgs,
    run_report::{self, ReportedRun},
};
use crate::{
    data::existing_file::existing,
    durable_file::spare_inputs,
    eval::result_file::read_results,
    pretrain::report::PretrainingReport,
    report::{Made, Report, TrainingCurve},
    tasks::qa::{
        analysis::Analysis,
        answers::provenance::Provenance,
        error::Error,
        no_answer::threshold::{OPTION, ThresholdChoice},
        report::{TaskReport, task::TaskFiles},
        scorers::{metric::Metric, score::without_null_odds, shown::shown},
    },
};

/// Show scores, curves and errors of predictions in one HTML file
///
/// For a run that was evaluated (--data-dir, --model-name), whatever its tasks, or for answers to a file
/// of questions (--data, --predictions). Tells what is wrong and how often, and shows examples of it. For
/// the folder of a pre-training run, finished or not, it shows figures, curves and warnings. The file
/// opens without a network.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "\
electra report [OPTIONS] --data <FILE> --predictions <FILE>
                      --output <FILE.html>
       electra report [OPTIONS] --data-dir <DIR> --model-name <NAME>
                      --output <FILE.html>
       electra report [OPTIONS] --output <FILE.html> <RUN>")]
#[command(after_help = "\
Examples:
  electra report --data dev.json --predictions squad_preds.json \\
    --null-odds squad_null_odds.json --train-log train_log.jsonl \\
    --output report.html
  electra report --data-dir data --model-name electra_small \\
    --set task_names=rte --output rte.html
  electra report data/models/electra_mine --output run.html")]
pub struct ReportArgs {
    /// Folder of a pre-training run: DIR/models/NAME of electra pretrain
    #[arg(
        value_name = "RUN",
        conflicts_with_all = [
            "data_dir", "model_name", "data", "predictions", "null_odds", "threshold", "metric",
            "train_logs", "results", "examples", "trial", "preset", "hparams", "sets",
        ]
    )]
    pub pretrained: Option<PathBuf>,
    /// File with the questions and their gold answers
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["data_dir", "pretrained"],
        conflicts_with = "data_dir"
    )]
    pub data: Option<PathBuf>,
    /// File with the predicted answers: a JSON object from question id to text
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["data_dir", "pretrained"],
        conflicts_with = "data_dir"
    )]
    pub predictions: Option<PathBuf>,
    /// File with the no-answer scores (null odds): a JSON object from question id to number, for squad2
    /// [default: from the predictions' record]
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    pub null_odds: Option<PathBuf>,
    /// No-answer score (null odds) above which a question has no answer, or best for the threshold that is
    /// best on the data [default: from the predictions' record, else 1.0 as in the official script]
    #[arg(
        long,
        value_name = "X|best",
        allow_negative_numbers = true,
        conflicts_with = "data_dir"
    )]
    pub threshold: Option<ThresholdChoice>,
    /// Script to follow [default: from the predictions' record, else from the data]
    #[arg(long, value_name = "METRIC", value_parser = parse_metric(), conflicts_with = "data_dir")]
    pub metric: Option<Metric>,
    /// Log of a training run; may be repeated
    #[arg(long = "train-log", value_name = "FILE", conflicts_with = "data_dir")]
    pub train_logs: Vec<PathBuf>,
    /// File with the scores of all trials: T_results.json or T_results.txt
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    pub results: Option<PathBuf>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub run: ReportedRun,
}

fn parse_metric() -> impl TypedValueParser<Value = Metric> {
    let names = [Metric::Squad2, Metric::Squad1, Metric::Mrqa].map(Metric::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Metric>())
}

/// Writes the page and prints the main figures, or JSON.
pub(super) fn run(
    args: &ReportArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if let Some(folder) = &args.pretrained {
        return of_pretraining(folder, &args.page, global, out);
    }
    match (args.run.args()?, &args.data, &args.predictions) {
        (Some(run), ..) => run_report::run(&run, args.run.trial, &args.page, global, out),
        (None, Some(data), Some(predictions)) => of_answers(args, [data, predictions], global, out),
        _ => {
            bail!("expected a run or the files of a task, found neither; see electra report --help")
        }
    }
}

/// Writes the page of a pre-training run.
fn of_pretraining(
    folder: &Path,
    page: &PageArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let inputs = PretrainingReport::inputs(folder);
    spare_inputs(&page.output, inputs.iter().map(PathBuf::as_path))?;
    let mut report = PretrainingReport::read(folder)?;
    if let Some(title) = &page.title {
        report.title.clone_from(title);
    }
    report.write(&page.output)?;
    let told = report.told();
    if global.json {
        print_json_beside(&page.output, told, out)?;
        global.progress().done();
        return Ok(());
    }
    print_beside(&page.output, out, |out| {
        for (key, value) in told.as_object().into_iter().flatten() {
            let value = match value.as_f64().filter(|_| !value.is_u64()) {
                Some(value) => format!("{value:.4}"),
                None => value.to_string(),
            };
            writeln!(out, "{key:24}{value:>12}")?;
        }
        let output = page.output.display().to_string();
        Ok(writeln!(out, "report: {}", printable(&output))?)
    })
}

/// Writes the page of answers to a file of questions.
fn of_answers(
    args: &ReportArgs,
    [data, predictions]: [&PathBuf; 2],
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let output = &args.page.output;
    let record = Provenance::path(predictions);
    let inputs = [data, predictions, &record].into_iter();
    let inputs = inputs
        .chain(&args.null_odds)
        .chain(&args.results)
        .chain(&args.train_logs);
    spare_inputs(output, inputs.map(PathBuf::as_path))?;
    let files = TaskFiles {
        data: data.clone(),
        predictions: predictions.clone(),
        null_odds: args.null_odds.clone(),
        threshold: args.threshold,
    };
    let task = TaskReport::read("predictions", &files, args.metric)?;
    let record = task
        .provenance
        .as_ref()
        .filter(|_| args.null_odds.is_none());
    if let Some(named) = record.and_then(|record| record.null_odds.as_ref()) {
        let null_odds = existing(&predictions.with_file_name(&named.file));
        spare_inputs(output, [null_odds.as_path()])?;
    }
    if args.null_odds.is_some() && task.no_answer.is_none() {
        log::warn!(
            "the {} metric does not use --null-odds: it is ignored",
            task.analysis.metric
        );
    }
    if args.threshold.is_some() && task.analysis.threshold.is_none() {
        let (metric, option) = (task.analysis.metric, OPTION);
        let refused = match metric {
            Metric::Squad2 => Error::OptionNeedsNullOdds { option },
            Metric::Squad1 | Metric::Mrqa => Error::OptionOfSquad2 {
                metric: metric.name(),
                option,
            },
        };
        return Err(refused.into());
    }
    let (scores, empty) = (&task.analysis.scores, task.analysis.empty);
    if task.analysis.threshold.is_none()
        && let Some(advice) = without_null_odds(data, predictions, scores, empty)
    {
        log::warn!("{advice}");
    }
    let training = args
        .train_logs
        .iter()
        .map(|path| TrainingCurve::read(path, &log_name(path)))
        .collect::<Result<_, _>>()?;
    let trials = match &args.results {
        Some(path) => read_results(path)?,
        None => Vec::new(),
    };
    let report = Report {
        title: args.page.title.clone().unwrap_or_else(|| task.data.clone()),
        trials,
        numbers: Vec::new(),
        disputed: Vec::new(),
        training,
        tasks: vec![&task],
        examples: args.page.examples,
        origin: None,
        made: Some(Made::now()),
    };
    report.write(&args.page.output)?;
    if global.json {
        let mut told = serde_json::to_value(&task.analysis)?;
        told["provenance"] = serde_json::to_value(&task.provenance)?;
        print_json_beside(&args.page.output, told, out)?;
        global.progress().done();
        return Ok(());
    }
    print_beside(&args.page.output, out, |out| {
        print_analysis(&task.analysis, &task.basis, out)?;
        let output = args.page.output.display().to_string();
        Ok(writeln!(out, "report: {}", printable(&output))?)
    })
}

/// Prints the scores, the data and settings behind them, and how many answers are wrong in which way.
fn print_analysis(analysis: &Analysis, basis: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    for (key, figure) in analysis.scores.iter() {
        writeln!(out, "{key:24}{:>10}", shown(&analysis.scores, key, figure))?;
    }
    writeln!(out, "{basis}")?;
    if let Some(advice) = &analysis.threshold_advice {
        writeln!(out, "{advice}")?;
    }
    writeln!(out)?;
    for class in &analysis.classes {
        writeln!(
            out,
            "{} {:24}{:>8}",
            class.letter,
            class.class.name(),
            class.count
        )?;
    }
    Ok(())
}

/// The folder of a log, which names the run; all logs have the same file name.
fn log_name(path: &Path) -> String {
    let folder = path.parent().and_then(|folder| folder.file_name());
    folder
        .or(path.file_name())
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
