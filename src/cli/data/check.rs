//! `electra data check`: what is in a file of questions, texts or words, and what is wrong with it.

use std::{io::Write, num::NonZeroUsize, path::PathBuf};

use checkpoints_convert::printable;
use clap::Args;

use super::{
    examples::print_examples,
    lines::{Told, print_problems, print_share, print_spreads, print_vocabulary},
};
use crate::{
    cli::GlobalArgs,
    counted::counted,
    data::split::Split,
    tasks::{
        data_check::{self, Checked, Options},
        qa::dataset::check::Check,
    },
};

/// Check a data file: what is in it, how long it is in tokens, what is wrong with it
///
/// Knows SQuAD 1.1 and 2.0, rows, QuAC, MRQA and NewsQA by their contents, as well as tables of labelled
/// texts (TSV, csv, JSON lines) with the usual columns and tagged words (CoNLL, JSON lines). A folder
/// with a task.json, or named after a task, is checked as a whole. Exit code 2 where training or
/// scoring would stumble.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra data check dev.json --max-seq-length 384
  electra data check data/finetuning_data/rte
  electra data check train.tsv --task cola
  electra data check films.csv --description task.json")]
pub struct CheckArgs {
    /// The file, or the folder of a task's files
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The vocabulary that tokens are counted in, or the folder of its model [default: that of the
    /// released models]
    #[arg(long, value_name = "FILE|DIR")]
    pub vocab: Option<PathBuf>,
    /// Tokens of a window or of an example, special tokens included [default: 512 for questions,
    /// otherwise what a run of the task alone takes]
    #[arg(long, value_name = "N")]
    pub max_seq_length: Option<usize>,
    /// Tokens from the start of a window to the start of the next
    #[arg(long, value_name = "N", default_value_t = const { NonZeroUsize::new(128).unwrap() })]
    pub doc_stride: NonZeroUsize,
    /// Question tokens beyond this are cut off
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_query_length: usize,
    /// The task that the file is of, as task_names has it
    #[arg(long, value_name = "NAME", conflicts_with = "description")]
    pub task: Option<String>,
    /// The task.json that describes the file [default: that beside it]
    #[arg(long, value_name = "FILE")]
    pub description: Option<PathBuf>,
    /// What the file is for: train, dev or test [default: by its name]
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<Split>,
}

pub(super) fn run(
    args: &CheckArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let options = Options {
        vocab: args.vocab.clone(),
        max_seq_length: args.max_seq_length,
        doc_stride: args.doc_stride,
        max_query_length: args.max_query_length,
        task: args.task.clone(),
        description: args.description.clone(),
        split: args.split,
    };
    let found = data_check::check(&args.file, &options)?;
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
    }
    match &found {
        Checked::Questions(found) => {
            if !global.json {
                print_questions(found, out)?;
            }
            anyhow::ensure!(
                found.errors == 0,
                "{}: errors in its questions: {}; correct or leave out those questions",
                found.file.display(),
                found.errors
            );
        }
        Checked::Examples(found) => {
            if !global.json {
                print_examples(found, out)?;
            }
            anyhow::ensure!(
                found.errors == 0,
                "{}: errors: {}; correct them, or a run ends at the first",
                args.file.display(),
                found.errors
            );
        }
    }
    Ok(())
}

fn print_questions(found: &Check, out: &mut dyn Write) -> anyhow::Result<()> {
    let counts = &found.counts;
    let file = found.file.display().to_string();
    writeln!(out, "{}: {}", printable(&file), found.format)?;
    if let Some(articles) = found.articles {
        write!(out, "{}, ", counted(articles, "article"))?;
    }
    write!(
        out,
        "{}, {}: {} answerable, {} impossible; {}",
        counted(counts.passages, "passage"),
        counted(counts.questions, "question"),
        counts.answerable,
        counts.impossible,
        counted(counts.answers, "answer")
    )?;
    match found.left_out {
        0 => writeln!(out)?,
        count => writeln!(out, "; {} left out", counted(count, "question"))?,
    }

    let lengths = &found.lengths;
    let spreads = [
        ("tokens of a passage", lengths.passage_tokens),
        ("tokens of a question", lengths.question_tokens),
        ("tokens of an answer", lengths.answer_tokens),
        ("windows of a question", lengths.windows_per_question),
    ];
    print_spreads(spreads, out)?;
    let options = &found.options;
    writeln!(out)?;
    print_vocabulary(found.vocabulary.as_deref(), out)?;
    writeln!(
        out,
        "with max_seq_length {}, doc_stride {}, max_query_length {} and {} word pieces:",
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
        print_share(what, count, all, out)?;
    }
    writeln!(out, "{:32}{:>8}", "features", lengths.windows)?;
    writeln!(
        out,
        "\n{}, {}",
        counted(found.errors, "error"),
        counted(found.warnings, "warning")
    )?;
    for problems in found.problems.chunk_by(|a, b| a.kind == b.kind) {
        if let Some(first) = problems.first() {
            let places = problems.iter().map(|problem| Told {
                place: format!("{} ({})", problem.id, problem.place),
                found: &problem.found,
            });
            let meaning = first.kind.meaning();
            print_problems(first.severity, first.kind, meaning, places, out)?;
        }
    }
    Ok(())
}
