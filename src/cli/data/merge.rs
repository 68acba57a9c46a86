//! `electra data merge`: several files into one.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::Args;

use super::task_args::TaskArgs;
use crate::{
    cli::{GlobalArgs, print_beside},
    counted::counted,
    tasks::data_files::merge::{self, Merged, Request},
};

/// New ids that are shown; `--json` has them all.
const SHOWN: usize = 5;

/// Merge data files of the same format
///
/// The output keeps the files' format, order and content. Two questions with the same id are refused unless
/// --rename gives the second a new one. Existing files are never overwritten.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra data merge train.json more.json --output all.json")]
pub struct MergeArgs {
    /// Files to merge
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    pub files: Vec<PathBuf>,
    /// Output file
    #[arg(long, value_name = "OUT")]
    pub output: PathBuf,
    /// Rename questions whose id is already taken to ID-2, ID-3 and so on
    #[arg(long)]
    pub rename: bool,
    #[command(flatten)]
    pub task: TaskArgs,
}

pub(super) fn run(
    args: &MergeArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let merged = merge::merge(&Request {
        files: args.files.clone(),
        output: args.output.clone(),
        rename: args.rename,
        task: args.task.options(),
    })?;
    print_beside(&args.output, out, |out| match global.json {
        true => Ok(writeln!(out, "{}", serde_json::to_string_pretty(&merged)?)?),
        false => print(&merged, out),
    })
}

fn print(merged: &Merged, out: &mut dyn Write) -> anyhow::Result<()> {
    let all = merged.files.iter().map(|file| (&file.file, file.count));
    for (file, count) in all.chain([(&merged.output, merged.count)]) {
        let file = file.display().to_string();
        let count = counted(count, merged.noun);
        writeln!(out, "{}: {count}", printable(&file))?;
    }
    if merged.doubles > 0 {
        let what = match merged.noun {
            "question" => "the same question on the same passage as an earlier one",
            _ => "the same text as an earlier one",
        };
        writeln!(out, "doubles: {} ({what})", merged.doubles)?;
    }
    if !merged.renamed.is_empty() {
        writeln!(out, "new ids: {}", merged.renamed.len())?;
    }
    for one in merged.renamed.iter().take(SHOWN) {
        let line = format!(
            "  {}, {}: {} is {}",
            one.file, one.place, one.id, one.new_id
        );
        writeln!(out, "{}", printable(&line))?;
    }
    if merged.renamed.len() > SHOWN {
        let more = merged.renamed.len() - SHOWN;
        writeln!(out, "  and {more} more; --json lists all")?;
    }
    Ok(())
}
