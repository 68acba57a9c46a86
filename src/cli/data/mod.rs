//! `electra data`: converts other data sets to SQuAD 2.0, makes pre-training examples from text, checks files
//! before a run, and splits and merges them.

mod check;
mod count_args;
mod examples;
mod lines;
mod merge;
pub(in crate::cli) mod pretrain;
mod split;
mod stats;
mod task_args;
mod task_folder;

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::{Args, Subcommand};

use self::{
    check::CheckArgs,
    merge::MergeArgs,
    pretrain::{ExamplesArgs, PretrainArgs},
    split::SplitArgs,
    stats::StatsArgs,
    task_folder::{ClassificationArgs, TaggingArgs},
};
use super::{GlobalArgs, print_beside};
use crate::{
    counted::counted,
    tasks::qa::dataset::{
        convert::{Conversion, Source, convert},
        dropped::{Reason, Tally},
    },
};

/// Prepare data: convert, check, compare, split and merge files
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra data quac val_v0.2.json dev.json
  electra data squad rows.jsonl train.json
  electra data classification films.csv data/finetuning_data/films
  electra data pretrain --corpus corpus --vocab vocab.txt --output text.tokens
  electra data check dev.json
  electra data split all.json --share 0.1 --train train.json --dev dev.json")]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DataCommand {
    Squad(SquadArgs),
    Quac(QuacArgs),
    Newsqa(NewsqaArgs),
    Mrqa(MrqaArgs),
    Classification(ClassificationArgs),
    Tagging(TaggingArgs),
    Check(CheckArgs),
    Stats(StatsArgs),
    Split(SplitArgs),
    Merge(MergeArgs),
    Pretrain(PretrainArgs),
    Examples(ExamplesArgs),
}

/// The files of a conversion.
#[derive(Debug, Clone, Args)]
pub struct Files {
    /// Input file, as the data set provides it
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Output file, in SQuAD 2.0's format; a name that ends in .gz is packed with gzip
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
}

/// Convert SQuAD 1.1 and Hugging Face dataset rows to SQuAD 2.0
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A row has the keys or columns id, context, question and answers, which is
{\"text\": […], \"answer_start\": […]}, with empty lists if there is no answer.
Rows may be JSON lines, a JSON list, {\"data\": […]} or csv, plain or gzip. Save a
Parquet file with .to_json(\"train.json\") first. The tasks squad and squadv1 read
all of these directly.

Example:
  electra data squad train.jsonl train.json")]
pub struct SquadArgs {
    #[command(flatten)]
    pub files: Files,
}

/// Convert QuAC dialogues to SQuAD 2.0
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --history 2, a question reads \"Q1 A1 Q2 A2 Q3\". Questions are cut off at
max_query_length, so raise it: `electra data check` says how many are cut.

Example:
  electra data quac train_v0.2.json train.json --history 2")]
pub struct QuacArgs {
    #[command(flatten)]
    pub files: Files,
    /// Number of earlier questions, with their answers, to put before each question
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=32))]
    pub history: u8,
}

/// Convert NewsQA's tokenised csv to SQuAD 2.0
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra data newsqa split_data/train.csv train.json")]
pub struct NewsqaArgs {
    #[command(flatten)]
    pub files: Files,
}

/// Convert MRQA's JSON lines, plain or gzip, to SQuAD 2.0
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The tasks newsqa, naturalqs, triviaqa and searchqa read MRQA's files directly.

Example:
  electra data mrqa SearchQA.jsonl.gz train.json")]
pub struct MrqaArgs {
    #[command(flatten)]
    pub files: Files,
}

/// Converts or checks.
pub(super) fn run(args: &DataArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let (files, source) = match &args.command {
        DataCommand::Check(args) => return check::run(args, global, out),
        DataCommand::Stats(args) => return stats::run(args, global, out),
        DataCommand::Split(args) => return split::run(args, global, out),
        DataCommand::Merge(args) => return merge::run(args, global, out),
        DataCommand::Pretrain(args) => return pretrain::run(args, global, out),
        DataCommand::Examples(args) => return pretrain::examples(args, global, out),
        DataCommand::Classification(args) => return task_folder::texts(args, global, out),
        DataCommand::Tagging(args) => return task_folder::words(args, global, out),
        DataCommand::Quac(args) => {
            let history = args.history.into();
            (&args.files, Source::Quac { history })
        }
        DataCommand::Squad(args) => (&args.files, Source::Squad),
        DataCommand::Newsqa(args) => (&args.files, Source::NewsQa),
        DataCommand::Mrqa(args) => (&args.files, Source::Mrqa),
    };
    let conversion = convert(source, &files.input, &files.output)?;
    print_beside(&files.output, out, |out| match global.json {
        true => Ok(writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&conversion)?
        )?),
        false => print_conversion(&conversion, out),
    })
}

fn print_conversion(conversion: &Conversion, out: &mut dyn Write) -> anyhow::Result<()> {
    let written = &conversion.written;
    writeln!(
        out,
        "{}: {} on {}: {} answerable, {} impossible, {}",
        printable(&conversion.output.display().to_string()),
        counted(written.questions, "question"),
        counted(written.passages, "passage"),
        written.answerable,
        written.impossible,
        counted(written.answers, "answer")
    )?;
    let mut print = |what: &str, reason: &Reason, tally: &Tally| {
        let examples: Vec<String> = tally.examples.iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "left out {what}: {} {reason} ({}): {}{}",
            tally.count,
            reason.meaning(),
            printable(&examples.join(", ")),
            if tally.count > examples.len() {
                ", …"
            } else {
                ""
            }
        )
    };
    for (reason, tally) in &conversion.dropped.questions {
        print("questions", reason, tally)?;
    }
    for (reason, tally) in &conversion.dropped.answers {
        print("answers", reason, tally)?;
    }
    Ok(())
}
