//! What `electra data check` prints for labelled texts and tagged words.

use std::{collections::BTreeMap, io::Write};

use checkpoints_convert::printable;

use super::lines::{Told, print_problems, print_share, print_spreads, print_vocabulary};
use crate::counted::counted;
use crate::tasks::{
    classification::text_file::TextFile,
    data_check::{Check, FileCheck},
    description::Kind,
    tagging::check::WordFile,
};

/// Maximum number of labels or types shown; `--json` has all.
const SHOWN: usize = 20;

/// Maximum characters of a label.
const LABEL: usize = 28;

pub(super) fn print_examples(found: &Check, out: &mut dyn Write) -> anyhow::Result<()> {
    let kind = match found.kind {
        Kind::Classification => "classification",
        Kind::Regression => "regression",
        Kind::Tagging => "tagging",
    };
    match &found.task {
        Some(task) => writeln!(out, "{}: {kind}", printable(task))?,
        None => writeln!(out, "{kind}")?,
    }
    for file in &found.files {
        writeln!(out)?;
        match file {
            FileCheck::Texts(file) => print_texts(file, out)?,
            FileCheck::Words(file) => print_words(file, out)?,
        }
    }
    writeln!(out)?;
    print_vocabulary(found.vocabulary.as_deref(), out)?;
    writeln!(
        out,
        "with max_seq_length {} and {} word pieces: {}, {}",
        found.max_seq_length,
        found.vocabulary_size,
        counted(found.errors, "error"),
        counted(found.warnings, "warning")
    )?;
    let several = found.files.len() > 1;
    for problems in found.problems.chunk_by(|a, b| a.kind == b.kind) {
        let Some(first) = problems.first() else {
            continue;
        };
        let places = problems.iter().map(|problem| Told {
            place: match problem.file.file_name().filter(|_| several) {
                Some(name) => format!("{}: {}", name.to_string_lossy(), problem.place),
                None => problem.place.clone(),
            },
            found: &problem.found,
        });
        let meaning = first.kind.meaning();
        print_problems(first.severity, first.kind, meaning, places, out)?;
    }
    Ok(())
}

fn print_texts(file: &TextFile, out: &mut dyn Write) -> anyhow::Result<()> {
    let path = file.file.display().to_string();
    writeln!(out, "{} ({})", printable(&path), file.split)?;
    if let Some(columns) = &file.columns {
        writeln!(out, "{}", printable(columns))?;
    }
    let labels = match (file.labelled, file.labels.len()) {
        (false, _) => ", no labels".to_owned(),
        (true, 0) => String::new(),
        (true, count) => format!(", {}", counted(count, "label")),
    };
    let left_out = match file.left_out {
        0 => String::new(),
        count => format!("; {} left out", counted(count, "row")),
    };
    writeln!(out, "{}{labels}{left_out}", counted(file.rows, "row"))?;
    if let Some(numbers) = file.numbers {
        writeln!(
            out,
            "numbers from {} to {}, {:.3} on average",
            numbers.min, numbers.max, numbers.mean
        )?;
    }
    print_counts(&file.labels, file.rows, out)?;
    let second = file
        .second_text_tokens
        .map(|spread| ("tokens of the second", spread));
    let spreads = [("tokens of the text", file.text_tokens)]
        .into_iter()
        .chain(second)
        .chain([("tokens of an example", file.example_tokens)]);
    print_spreads(spreads, out)?;
    writeln!(out)?;
    print_share("examples that are cut", file.cut, file.rows, out)?;
    let tokens = file.tokens;
    print_share("tokens that are [UNK]", tokens.unknown, tokens.tokens, out)
}

fn print_words(file: &WordFile, out: &mut dyn Write) -> anyhow::Result<()> {
    let path = file.file.display().to_string();
    let (sentences, words) = (file.sentences, file.words);
    let spans: usize = file.spans.values().sum();
    writeln!(out, "{} ({})", printable(&path), file.split)?;
    writeln!(
        out,
        "{}, {}, {}",
        counted(sentences, "sentence"),
        counted(words, "word"),
        match file.labelled {
            true => format!(
                "{} of {}, {}",
                counted(spans, "span"),
                counted(file.spans.len(), "type"),
                file.scheme
            ),
            false => "no tags".to_owned(),
        }
    )?;
    print_counts(&file.spans, spans, out)?;
    let spreads = [
        ("words of a sentence", file.words_per_sentence),
        ("tokens of a sentence", file.tokens_per_sentence),
    ];
    print_spreads(spreads, out)?;
    writeln!(out)?;
    print_share("words in spans", file.words_in_spans, words, out)?;
    print_share("sentences that are cut", file.cut, sentences, out)?;
    print_share("words lost by that", file.words_lost, words, out)?;
    let tokens = file.tokens;
    print_share("tokens that are [UNK]", tokens.unknown, tokens.tokens, out)
}

/// How often each label or type occurs, the most frequent first.
fn print_counts(
    counts: &BTreeMap<String, usize>,
    all: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut sorted: Vec<(&String, usize)> = counts.iter().map(|(name, &n)| (name, n)).collect();
    sorted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    for (name, count) in sorted.iter().take(SHOWN) {
        let shown: String = printable(name).chars().take(LABEL).collect();
        print_share(&format!("  {shown}"), *count, all, out)?;
    }
    if sorted.len() > SHOWN {
        let more = sorted.len() - SHOWN;
        writeln!(out, "  and {more} more; --json lists all")?;
    }
    Ok(())
}
