//! `electra data`: other data sets' files into SQuAD 2.0, and a look at any of them before a run.

use std::{io::Write, num::NonZeroUsize, path::PathBuf};

use checkpoints_convert::printable;
use clap::{Args, Subcommand};

use super::{GlobalArgs, print_beside};
use crate::tasks::qa::dataset::{
    check::{Check, CheckOptions, check},
    convert::{Conversion, Source, convert},
    dropped::{Reason, Tally},
    problem::Problem,
    token_lengths::{Spread, WindowOptions},
};

/// Problems of a kind that are shown; `--json` has them all.
const SHOWN: usize = 5;

/// Convert QuAC, NewsQA and MRQA to SQuAD 2.0, and check data files
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra data quac val_v0.2.json dev.json
  electra data squad rows.jsonl train.json
  electra data check dev.json")]
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
    Check(CheckArgs),
}

/// The files of a conversion.
#[derive(Debug, Clone, Args)]
pub struct Files {
    /// The data set's own file
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The SQuAD 2.0 file to write
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
}

/// Convert rows as `datasets` writes them, and SQuAD's other forms, to SQuAD 2.0
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A row has the keys or columns id, context, question and answers,
{\"text\": […], \"answer_start\": […]}, empty if the question is impossible. Rows
may be JSON lines, a list, {\"data\": […]} or csv, plain or gzip. Save a Parquet
file with .to_json(\"train.json\") first. The tasks squad and squadv1 read all of
these themselves.

Example:
  electra data squad train.jsonl train.json")]
pub struct SquadArgs {
    #[command(flatten)]
    pub files: Files,
}

/// Convert QuAC's dialogues to SQuAD 2.0
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --history 2 a question reads \"Q1 A1 Q2 A2 Q3\". Questions are cut at
max_query_length: raise it, and see with `electra data check` how many are cut.

Example:
  electra data quac train_v0.2.json train.json --history 2")]
pub struct QuacArgs {
    #[command(flatten)]
    pub files: Files,
    /// Turns of the dialogue, questions with their answers, that stand before each question
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
The tasks newsqa, naturalqs, triviaqa and searchqa read MRQA's lines themselves.

Example:
  electra data mrqa SearchQA.jsonl.gz train.json")]
pub struct MrqaArgs {
    #[command(flatten)]
    pub files: Files,
}

/// Check a data file: what is in it, how long it is in tokens, what is wrong with it
///
/// Knows SQuAD 1.1 and 2.0, rows, QuAC, MRQA and NewsQA by their contents. Exit code 2 where a question
/// is wrong in a way that training or scoring stumbles over.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra data check dev.json --max-seq-length 384")]
pub struct CheckArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The vocabulary that tokens are counted in [default: that of the released models]
    #[arg(long, value_name = "FILE")]
    pub vocab: Option<PathBuf>,
    /// Tokens of a window, its question and the special tokens
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_seq_length: usize,
    /// Tokens from the start of a window to the start of the next
    #[arg(long, value_name = "N", default_value_t = const { NonZeroUsize::new(128).unwrap() })]
    pub doc_stride: NonZeroUsize,
    /// Question tokens beyond this are cut off
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_query_length: usize,
}

/// Converts or checks.
pub(super) fn run(args: &DataArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let (files, source) = match &args.command {
        DataCommand::Check(args) => return run_check(args, global, out),
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
        "{}: {} questions on {} passages: {} answerable, {} impossible, {} answers",
        printable(&conversion.output.display().to_string()),
        written.questions,
        written.passages,
        written.answerable,
        written.impossible,
        written.answers
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

fn run_check(args: &CheckArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let options = CheckOptions {
        vocab: args.vocab.clone(),
        windows: WindowOptions {
            max_seq_length: args.max_seq_length,
            doc_stride: args.doc_stride,
            max_query_length: args.max_query_length,
        },
    };
    let found = check(&args.file, &options)?;
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
    } else {
        print_check(&found, out)?;
    }
    anyhow::ensure!(
        found.errors == 0,
        "{}: errors in its questions: {}; correct or leave out those questions",
        found.file.display(),
        found.errors
    );
    Ok(())
}

fn print_check(found: &Check, out: &mut dyn Write) -> anyhow::Result<()> {
    let counts = &found.counts;
    let file = found.file.display().to_string();
    writeln!(out, "{}: {}", printable(&file), found.format)?;
    if let Some(articles) = found.articles {
        write!(out, "{articles} articles, ")?;
    }
    write!(
        out,
        "{} passages, {} questions: {} answerable, {} impossible; {} answers",
        counts.passages, counts.questions, counts.answerable, counts.impossible, counts.answers
    )?;
    match found.left_out {
        0 => writeln!(out)?,
        count => writeln!(out, "; {count} questions left out")?,
    }

    let lengths = &found.lengths;
    writeln!(out, "\n{:22}{:>8}{:>8}{:>8}", "", "median", "95 %", "most")?;
    for (what, Spread { median, p95, max }) in [
        ("tokens of a passage", lengths.passage_tokens),
        ("tokens of a question", lengths.question_tokens),
        ("tokens of an answer", lengths.answer_tokens),
        ("windows of a question", lengths.windows_per_question),
    ] {
        writeln!(out, "{what:22}{median:>8}{p95:>8}{max:>8}")?;
    }
    let options = &found.options;
    writeln!(
        out,
        "\nwith max_seq_length {}, doc_stride {}, max_query_length {} and {} word pieces:",
        options.max_seq_length, options.doc_stride, options.max_query_length, found.vocabulary_size
    )?;
    for (what, count, all) in [
        (
            "passages longer than a window",
            lengths.passages_over_one_window,
            counts.passages,
        ),
        (
            "questions with several windows",
            lengths.questions_over_one_window,
            counts.questions,
        ),
        (
            "answers that no window holds",
            lengths.answers_in_no_window,
            counts.answerable,
        ),
        (
            "questions cut at their end",
            lengths.questions_cut,
            counts.questions,
        ),
        (
            "tokens that are [UNK]",
            lengths.tokens.unknown,
            lengths.tokens.tokens,
        ),
    ] {
        let share = 100.0 * count as f64 / all.max(1) as f64;
        writeln!(out, "{what:32}{count:>8} of {all} ({share:.2} %)")?;
    }
    writeln!(out, "{:32}{:>8}", "features", lengths.windows)?;
    writeln!(
        out,
        "\n{} errors, {} warnings",
        found.errors, found.warnings
    )?;
    for problems in found.problems.chunk_by(|a, b| a.kind == b.kind) {
        print_problems(problems, out)?;
    }
    Ok(())
}

/// Problems of one kind.
fn print_problems(problems: &[Problem], out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(first) = problems.first() else {
        return Ok(());
    };
    let (severity, kind) = (first.severity, first.kind);
    writeln!(
        out,
        "{severity} {kind} ({}): {}",
        problems.len(),
        kind.meaning()
    )?;
    for problem in problems.iter().take(SHOWN) {
        let found = match problem.found.as_str() {
            "" => String::new(),
            found => format!(": {found}"),
        };
        let line = format!("{} ({}){found}", problem.id, problem.place);
        writeln!(out, "  {}", printable(&line))?;
    }
    if problems.len() > SHOWN {
        writeln!(
            out,
            "  and {} more; --json lists all",
            problems.len() - SHOWN
        )?;
    }
    Ok(())
}
