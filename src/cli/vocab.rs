//! `electra vocab`: trains a vocabulary on a corpus.

use std::{
    io::{ErrorKind, Write},
    path::PathBuf,
};

use checkpoints_convert::printable;
use clap::Args;
use serde_json::json;

use super::{GlobalArgs, data::pretrain::LetterArgs, print_beside, print_json_beside};
use crate::{
    counted::grouped,
    data,
    durable_file::{pack_by_name, write_new},
    pretrain::vocabulary::{check_output, exists, train},
};

/// Build a WordPiece vocabulary from a text corpus
///
/// Reads the corpus as `electra data pretrain` does; give both commands the same case and accent options.
/// The same corpus always gives the same vocabulary.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra vocab --corpus corpus --size 30522 --output vocab.txt")]
pub struct VocabArgs {
    /// Folder of text files
    #[arg(long, value_name = "DIR")]
    pub corpus: PathBuf,
    /// Maximum number of tokens, special tokens included
    #[arg(long, value_name = "N", default_value_t = 30_522)]
    pub size: usize,
    /// Output file, which must not exist
    #[arg(long, value_name = "FILE", default_value = "vocab.txt")]
    pub output: PathBuf,
    #[command(flatten)]
    pub letters: LetterArgs,
}

pub(super) fn run(
    args: &VocabArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    check_output(&args.corpus, &args.output)?;
    let progress = global.progress();
    let mut reading = progress.reading();
    let normalizer = args.letters.normalizer();
    let trained = train(&args.corpus, args.size, normalizer, &mut |bytes, total| {
        reading.at(bytes, total, "counting words", json!({}));
    })?;
    drop(reading);
    let written = write_new(&args.output, |file| {
        pack_by_name(&args.output, file, |file| {
            let mut tokens = trained.tokens.iter();
            tokens.try_for_each(|token| writeln!(file, "{token}"))
        })
    });
    written.map_err(|source| -> anyhow::Error {
        match source.kind() {
            // Meanwhile.
            ErrorKind::AlreadyExists => exists(&args.output).into(),
            _ => data::Error::Write {
                path: args.output.clone(),
                source,
            }
            .into(),
        }
    })?;
    let (size, facts) = (trained.tokens.len(), trained.facts);
    if size < args.size {
        let (size, asked) = (grouped(size, "token"), args.size);
        progress.note(&format!(
            "the corpus yields {size}, not {asked}: a piece must occur at least twice"
        ));
    }
    if global.json {
        let mut told = json!(facts);
        told["output"] = json!(args.output);
        told["tokens"] = size.into();
        print_json_beside(&args.output, told, out)?;
    } else {
        print_beside(&args.output, out, |out| {
            let output = args.output.display().to_string();
            let tokens = grouped(size, "token");
            writeln!(out, "{}: {tokens}", printable(&output))?;
            let words = grouped(facts.words as usize, "word");
            let distinct = grouped(facts.distinct_words as usize, "different one");
            let characters = grouped(facts.characters as usize, "character");
            let unknown = grouped(facts.unknown_words as usize, "word");
            Ok(writeln!(
                out,
                "trained on {words}, {distinct}, with {characters}\nleft out: {unknown} with rarer characters"
            )?)
        })?;
    }
    progress.done();
    Ok(())
}
