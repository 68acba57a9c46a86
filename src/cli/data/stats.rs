//! `electra data stats`: compares files.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use checkpoints_convert::printable;
use clap::Args;

use super::count_args::CountArgs;
use crate::{
    cli::{GlobalArgs, wide_table::wide_table},
    tasks::{
        data_check::Checked,
        data_files::stats::{Stats, stats},
    },
    terminal,
};

/// Compare data files: counts, lengths, duplicates, overlaps
///
/// Shows the figures of `electra data check` side by side, with lengths as median, 95th percentile and
/// maximum, and what each two of the files have in common. Errors and warnings are counted; `electra data
/// check` lists them.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra data stats train.json dev.json --max-seq-length 384")]
pub struct StatsArgs {
    /// Files to compare
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub count: CountArgs,
}

pub(super) fn run(
    args: &StatsArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let found = stats(&args.files, &args.count.options())?;
    match global.json {
        true => {
            let mut told = serde_json::to_value(&found)?;
            for file in told["files"].as_array_mut().into_iter().flatten() {
                // `electra data check` lists them.
                file.as_object_mut().map(|file| file.remove("problems"));
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?;
        }
        false => print(&found, out)?,
    }
    Ok(())
}

fn print(found: &Stats, out: &mut dyn Write) -> anyhow::Result<()> {
    // Files of questions and of texts have different figures: one table for each kind.
    let mut left: Vec<usize> = (0..found.files.len()).collect();
    while let Some(first) = left.first().copied() {
        let names = |file: usize| -> Vec<&str> {
            let lines = found.files[file].lines();
            lines.into_iter().map(|(name, _)| name).collect()
        };
        let alike: Vec<usize> = left
            .iter()
            .copied()
            .filter(|file| names(*file) == names(first))
            .collect();
        left.retain(|file| !alike.contains(file));
        let columns: Vec<Vec<String>> = alike
            .iter()
            .map(|file| {
                let file = &found.files[*file];
                let lines = file.lines().into_iter().map(|(_, figure)| figure);
                let name = shown(&file.path);
                [name].into_iter().chain(lines).collect()
            })
            .collect();
        let names = [""].into_iter().chain(names(first)).enumerate();
        let rows: Vec<Vec<String>> = names
            .map(|(line, name)| {
                let cells = columns.iter().map(|column| column[line].clone());
                [name.to_owned()].into_iter().chain(cells).collect()
            })
            .collect();
        writeln!(out, "{}", wide_table(&rows, terminal::output_columns()))?;
    }
    let windows = found.files.iter().find_map(|file| match &file.found {
        Checked::Questions(check) => Some((check.options, check.vocabulary_size)),
        Checked::Examples(_) => None,
    });
    if let Some((options, vocabulary_size)) = windows {
        writeln!(
            out,
            "at max_seq_length {}, doc_stride {}, max_query_length {}, {vocabulary_size} word pieces",
            options.max_seq_length, options.doc_stride, options.max_query_length
        )?;
    }
    for common in &found.common {
        let [first, second] = common.files.each_ref().map(|file| shown(file));
        let counts = [
            (common.passages, "passages"),
            (common.ids, "ids"),
            (common.doubles, "doubles"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(count, what)| format!("{what} {count}"))
            .collect();
        writeln!(out, "in {first} and {second}: {}", counts.join(", "))?;
    }
    if found.common.is_empty() && found.files.len() > 1 {
        writeln!(out, "no two files have anything in common")?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}
