//! `electra runs`: the runs below a folder, with their scores and the settings in which they differ.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use checkpoints_convert::printable;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{GlobalArgs, wide_table::wide_table};
use crate::{
    eval::figures::{Figure, Scores},
    finetune::{
        made_run::{MadeRun, State},
        run_list::RunList,
        settings::{differing, settings},
    },
    report::origin_section::shown,
    terminal, utc,
};

/// List the runs below a folder with their scores
///
/// Prints one line per run, grouped by tasks: its folder, as `electra compare` takes it; the pre-trained
/// model; the number of finished trials, or how far the run got; its scores (mean ± standard deviation if
/// there are several trials); the time of its last write; and the settings that differ among the runs of the
/// same tasks.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra runs data")]
pub struct RunsArgs {
    /// Folder to search; links below it are not followed
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Prints the list, or JSON; reports on standard error what cannot be read.
pub(super) fn run(args: &RunsArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let list = RunList::of(&args.folder)?;
    for (_, reason) in &list.unreadable {
        log::warn!("not listed: {reason}");
    }
    if let [first, rest @ ..] = list.pretraining.as_slice() {
        let more = match rest.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        global.progress().note(&format!(
            "pre-training runs are not listed: {}{more}; electra report RUN shows one",
            first.display()
        ));
    }
    if list.runs.is_empty() && list.unreadable.is_empty() && list.pretraining.is_empty() {
        log::warn!(
            "{}: no run found below it; fine-tuning writes the folder of each trial, with train_log.jsonl, \
             to DIR/models/NAME/finetuning_models or to model_dir",
            args.folder.display()
        );
    }
    match global.json {
        true => print_json(&list, out)?,
        false => print_runs(&list.runs, &args.folder, Best::Unmarked, out)?,
    }
    global.progress().done();
    Ok(())
}

/// Whether the best value of each metric is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Best {
    Marked,
    Unmarked,
}

/// Prints the list as JSON.
pub(super) fn print_json(list: &RunList, out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", told(list))?)
}

/// Prints one table for the runs of each list of tasks; paths are relative to `below`.
pub(super) fn print_runs(
    runs: &[MadeRun],
    below: &Path,
    best: Best,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let groups = runs.chunk_by(|a, b| a.config.task_names == b.config.task_names);
    for (number, runs) in groups.enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let tasks = printable(&runs[0].config.task_label()).into_owned();
        let rows = rows(&tasks, runs, below, best);
        write!(out, "{}", wide_table(&rows, terminal::output_columns()))?;
        if best == Best::Marked && runs.len() > 1 {
            writeln!(out, "* best in its column")?;
        }
    }
    Ok(())
}

/// The runs of the same tasks, with column headers.
fn rows(tasks: &str, runs: &[MadeRun], below: &Path, best: Best) -> Vec<Vec<String>> {
    let all: Vec<Map<String, Value>> = runs.iter().map(|run| settings(&run.config)).collect();
    let mut differing = differing(&all);
    // It has its own column.
    differing.retain(|(key, _)| key != "model_name");
    let figures = figures(runs);
    let mut heads = vec![tasks.to_owned(), "model".to_owned(), "trials".to_owned()];
    heads.extend(figures.iter().map(|(task, key)| match tasks.contains(',') {
        true => format!("{} {key}", printable(task)),
        false => key.clone(),
    }));
    heads.push("last written".to_owned());
    heads.extend(differing.iter().map(|(key, _)| key.clone()));
    let mut rows = vec![heads];
    for (place, run) in runs.iter().enumerate() {
        let folder = run.folder.strip_prefix(below).unwrap_or(&run.folder);
        let progress = match &run.renamed_from {
            Some(name) => format!("was {name}"),
            None => run.progress(),
        };
        let mut row = vec![
            folder.display().to_string(),
            run.config.model_name.clone(),
            progress,
        ];
        row.extend(figures.iter().map(|(task, key)| {
            let mark = match best == Best::Marked && is_best(run, runs, task, key) {
                true => " *",
                false => "",
            };
            format!("{}{mark}", figure(run, task, key))
        }));
        // To the minute.
        let written = run.written.map(|time| utc::at(time).replace('T', " "));
        row.push(written.map_or("–".to_owned(), |time| time.chars().take(16).collect()));
        row.extend(differing.iter().map(|(_, values)| match &values[place] {
            Some(value) => shown(value),
            None => "–".to_owned(),
        }));
        rows.push(
            row.iter()
                .map(|cell| printable(cell).into_owned())
                .collect(),
        );
    }
    rows
}

/// The metrics that distinguish runs: no counts, no losses, and none on a part of the examples.
fn figures(runs: &[MadeRun]) -> Vec<(String, String)> {
    let mut figures = Vec::new();
    let results = runs.iter().flat_map(MadeRun::results);
    for (task, scores) in results.flat_map(|trial| trial.tasks) {
        for (key, figure) in scores.iter() {
            let told = (task.clone(), key.to_owned());
            if matches!(figure, Figure::Value(_))
                && is_whole(key, &scores)
                && !figures.contains(&told)
            {
                figures.push(told);
            }
        }
    }
    figures
}

fn is_whole(key: &str, scores: &Scores) -> bool {
    let part = key.split_once('_').map(|(_, whole)| whole);
    let of_part = |part: &str| scores.iter().any(|(whole, _)| part.starts_with(whole));
    key != "loss" && !part.is_some_and(of_part)
}

/// Metrics for which lower is better.
const ERRORS: [&str; 2] = ["loss", "mse"];

/// Whether no other run has a better value.
fn is_best(run: &MadeRun, runs: &[MadeRun], task: &str, key: &str) -> bool {
    let sign = if ERRORS.contains(&key) { -1.0 } else { 1.0 };
    let rank = |run: &MadeRun| value(run, task, key).map(|value| sign * value);
    let Some(own) = rank(run).filter(|own| own.is_finite()) else {
        return false;
    };
    runs.len() > 1 && !runs.iter().filter_map(rank).any(|other| other > own)
}

/// A metric of a run; the mean of several trials.
fn value(run: &MadeRun, task: &str, key: &str) -> Option<f64> {
    if let Some(spread) = run.summary().and_then(|all| all.spread(task, key)) {
        return Some(spread.mean);
    }
    let results = run.results();
    let mut tasks = results.first()?.tasks.iter();
    tasks.find(|(name, _)| name == task)?.1.get(key)
}

/// The same, formatted for a table: with the standard deviation of several trials.
fn figure(run: &MadeRun, task: &str, key: &str) -> String {
    let spread = run.summary().and_then(|all| all.spread(task, key));
    match (value(run, task, key), spread) {
        (Some(mean), Some(spread)) => format!("{mean:.2} ± {:.2}", spread.standard_deviation),
        (Some(value), None) => format!("{value:.2}"),
        (None, _) => "–".to_owned(),
    }
}

/// The list as JSON.
fn told(list: &RunList) -> Value {
    let all: Vec<Map<String, Value>> = list.runs.iter().map(|run| settings(&run.config)).collect();
    let runs = list.runs.iter().zip(&all).map(|(run, settings)| {
        let trials = run.trials.iter().map(|(number, state)| match state {
            State::Finished { steps, results } => json!({
                "trial": number, "state": "finished", "steps": steps, "results": results,
            }),
            State::Trained => json!({"trial": number, "state": "trained"}),
            State::Unfinished { steps } => {
                json!({"trial": number, "state": "unfinished", "steps": steps})
            }
        });
        json!({
            "folder": run.folder.display().to_string(),
            "task_names": run.config.task_names,
            "model_name": run.config.model_name,
            "num_trials": run.config.num_trials,
            "trials": trials.collect::<Vec<_>>(),
            "summary": run.summary(),
            "written": run.written.map(utc::at),
            "renamed_from": run.renamed_from,
            "settings": settings,
        })
    });
    let unreadable = list.unreadable.iter();
    let unreadable = unreadable
        .map(|(path, reason)| json!({"path": path.display().to_string(), "reason": reason}));
    let pretraining = list.pretraining.iter();
    let pretraining = pretraining.map(|run| run.display().to_string());
    json!({
        "runs": runs.collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
        "pretraining": pretraining.collect::<Vec<_>>(),
    })
}
