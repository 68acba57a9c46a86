//! `electra data check`: what is in a file of questions, texts or words, and what is wrong with it.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::Args;

use super::{
    count_args::CountArgs,
    examples::print_examples,
    lines::{Told, print_problems, print_share, print_spreads, print_vocabulary},
};
use crate::{
    cli::GlobalArgs,
    counted::counted,
    tasks::{
        data_check::{self, Checked},
        qa::dataset::check::Check,
    },
};

/// Check a data file: its contents, lengths in tokens and errors
///
/// Recognises SQuAD 1.1 and 2.0, rows, QuAC, MRQA and NewsQA by their content, as well as tables of labelled
/// texts (TSV, csv, JSON lines) with the usual column names and tagged words (CoNLL, JSON lines). A folder
/// with a task.json, or named after a built-in task, is checked as a whole. The exit code is 2 if there are
/// errors, and 0 if there are only warnings.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra data check dev.json --max-seq-length 384
  electra data check data/finetuning_data/rte
  electra data check train.tsv --task cola
  electra data check films.csv --description task.json")]
pub struct CheckArgs {
    /// File to check, or a task's folder
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub count: CountArgs,
}

pub(super) fn run(
    args: &CheckArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let found = data_check::check(&args.file, &args.count.options())?;
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
