//! `electra data split`: holds out part of a file.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::{Args, ValueEnum};

use super::{task_args::TaskArgs, task_folder::share};
use crate::{
    cli::{GlobalArgs, print_beside},
    counted::counted,
    durable_file::is_standard_output,
    tasks::data_files::split::{self, By, Part, Parted, Request},
};

/// Split a data file into a train file and a dev file
///
/// Both files keep the format and the content of the input. Existing files are never overwritten.
///
/// Tables of labelled texts and tagged words are split by row. Rows that share a text stay together, and
/// each class is split in proportion.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra data split all.json --share 0.1 --train train.json --dev dev.json
  electra data split reviews.csv --share 0.2 --train train.csv --dev dev.csv")]
pub struct SplitArgs {
    /// File to split
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What stays together [default: passage for questions, row for texts and words]
    #[arg(long, value_name = "WHAT")]
    pub by: Option<Together>,
    /// Fraction to hold out in the dev file, such as 0.1
    #[arg(long, value_name = "N", value_parser = share)]
    pub share: f64,
    /// Random seed of the split
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Output file for the rest
    #[arg(long, value_name = "OUT")]
    pub train: PathBuf,
    /// Output file for the part held out
    #[arg(long, value_name = "OUT")]
    pub dev: PathBuf,
    #[command(flatten)]
    pub task: TaskArgs,
}

/// What stays together.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Together {
    /// All questions of an article, and articles that share a passage
    Article,
    /// All questions on a passage
    Passage,
    /// Nothing: each question is separate, so a passage may be in both files
    Row,
}

pub(super) fn run(
    args: &SplitArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let parted = split::split(&Request {
        file: args.file.clone(),
        by: args.by.map(|by| match by {
            Together::Article => By::Article,
            Together::Passage => By::Passage,
            Together::Row => By::Row,
        }),
        share: args.share,
        seed: args.seed,
        train: args.train.clone(),
        dev: args.dev.clone(),
        task: args.task.options(),
    })?;
    if let Some(both) = parted.passages_in_both.filter(|both| *both > 0) {
        log::warn!(
            "{} in both files: part of what is scored was seen in training; --by passage keeps each in one file",
            match both {
                1 => "1 passage is".to_owned(),
                both => format!("{both} passages are"),
            }
        );
    }
    let outputs = [&args.train, &args.dev];
    let printed = outputs.iter().find(|path| is_standard_output(path));
    print_beside(printed.unwrap_or(&&args.train), out, |out| {
        match global.json {
            true => Ok(writeln!(out, "{}", serde_json::to_string_pretty(&parted)?)?),
            false => print(&parted, out),
        }
    })
}

fn print(parted: &Parted, out: &mut dyn Write) -> anyhow::Result<()> {
    for part in [&parted.train, &parted.dev] {
        let Part {
            file,
            questions,
            passages,
            rows,
        } = part;
        let file = file.display().to_string();
        let counts = match (questions, passages) {
            (Some(questions), Some(passages)) => format!(
                "{} on {}",
                counted(*questions, "question"),
                counted(*passages, "passage")
            ),
            _ => counted(rows.unwrap_or(0), "row"),
        };
        writeln!(out, "{}: {counts}", printable(&file))?;
    }
    let kept = match parted.passages_in_both {
        Some(0) => "no passage is in both",
        Some(_) => "passages are in both",
        None => "no text is in both",
    };
    let (by, seed) = (parted.by.name(), parted.seed);
    Ok(writeln!(out, "by {by}, seed {seed}: {kept}")?)
}
