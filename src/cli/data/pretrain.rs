//! `electra data pretrain` builds a file of examples from a corpus; `electra data examples` inspects such
//! files.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::ensure;
use checkpoints_convert::printable;
use clap::Args;
use serde_json::json;

use super::lines::print_share;
use crate::{
    cli::{GlobalArgs, print_beside, print_json_beside},
    counted::grouped,
    data,
    durable_file::{pack_by_name, spare_inputs, write_whole},
    pretrain::{
        self,
        build::{self, Request},
        example::Example,
        examples::{Examples, Source},
        token_file::Header,
    },
    progress::Progress,
    stop,
    text::{
        normalizer::Normalizer,
        tokenizer::Tokenizer,
        vocab::{Vocab, capitals},
    },
};

/// How often progress is saved.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// What becomes of letters, as the reference's script has it.
#[derive(Debug, Clone, Args)]
pub struct LetterArgs {
    /// Lower-case the text, as for all released models [default]
    #[arg(long, overrides_with = "no_lower_case")]
    pub do_lower_case: bool,
    /// Keep capital letters and accents
    #[arg(long)]
    pub no_lower_case: bool,
    /// Strip accents from lower-cased text [default]
    #[arg(long, overrides_with = "no_strip_accents")]
    pub do_strip_accents: bool,
    /// Keep accents in lower-cased text
    #[arg(long)]
    pub no_strip_accents: bool,
}

impl LetterArgs {
    pub(in crate::cli) fn normalizer(&self) -> Normalizer {
        let lower_case = !self.no_lower_case;
        Normalizer {
            lower_case,
            // In cased text, the reference's tokenizer keeps accents.
            strip_accents: lower_case && !self.no_strip_accents,
            split_ideographs: true,
        }
    }
}

/// Make pre-training examples from a text corpus
///
/// Reads all files below the folder, plain or gzip: text with one sentence or paragraph per line, and JSON
/// lines with one document each, under the key text. Uses all CPU cores. To resume an interrupted run, repeat
/// the command; the output is the same as without the interruption.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "\
electra data pretrain [OPTIONS] --corpus <DIR> --vocab <FILE>
                             --output <FILE>")]
#[command(after_help = "\
The examples follow the rules of Google's build_pretraining_dataset.py: whole
lines are added until an example has --max-seq-length tokens, and what does not
fit is cut off and lost. Of a document on a single line, only the beginning is
kept, so break it into sentences or paragraphs. Save a Parquet file with
.to_json(\"text.jsonl\") first.

Example:
  electra data pretrain --corpus corpus --vocab vocab.txt --output text.tokens")]
pub struct PretrainArgs {
    /// Folder of text files
    #[arg(long, value_name = "DIR")]
    pub corpus: PathBuf,
    /// Vocabulary file, one token per line
    #[arg(long, value_name = "FILE")]
    pub vocab: PathBuf,
    /// Output file, called FILE.partial until it is complete
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Maximum tokens per example, [CLS] and [SEP] included
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub max_seq_length: usize,
    /// Whether an empty line ends a document, as the end of a file does
    #[arg(long, value_name = "true|false", default_value_t = true, action = clap::ArgAction::Set, hide_possible_values = true)]
    pub blanks_separate_docs: bool,
    #[command(flatten)]
    pub letters: LetterArgs,
    /// Random seed of the file order and of the example boundaries
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Replay the random draws of a recorded case: its examples.<case>.jsonl, with cases.json next to it
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub replay: Option<PathBuf>,
}

pub(super) fn run(
    args: &PretrainArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let inputs = [Some(args.vocab.as_path()), args.replay.as_deref()];
    spare_inputs(&args.output, inputs.into_iter().flatten())?;
    let normalizer = args.letters.normalizer();
    let tokenizer = Tokenizer::read(&args.vocab, normalizer)?;
    if normalizer.lower_case {
        let vocab = tokenizer.vocab();
        let tokens = (0..vocab.len()).filter_map(|id| vocab.token(id as u32));
        if let Some(found) = capitals(tokens) {
            let vocab = args.vocab.display();
            log::warn!("{vocab}: {found}; give --no-lower-case if it keeps them");
        }
    }
    let progress = global.progress();
    let mut reading = progress.reading();
    let request = Request {
        corpus: &args.corpus,
        output: &args.output,
        tokenizer: &tokenizer,
        vocab_file: &args.vocab,
        max_seq_length: args.max_seq_length,
        blanks_separate_docs: args.blanks_separate_docs,
        seed: args.seed,
        replay: args.replay.as_deref(),
        save_every: SAVE_EVERY,
    };
    let made = build::build(&request, stop::of_process(), &mut |place| {
        let examples = grouped(place.examples as usize, "example");
        let event = json!({"examples": place.examples, "tokens": place.tokens});
        reading.at(place.bytes, place.total_bytes, &examples, event);
    });
    drop(reading);
    if let Err(error) = &made
        && error.was_stopped()
    {
        progress.note(&error.to_string());
    }
    let made = made?;
    if made.was_there {
        let output = args.output.display();
        progress.note(&format!(
            "{output}: already exists, made from the same input"
        ));
    }
    if global.json {
        let mut told = json!(made.header);
        told["output"] = json!(args.output);
        told["was_there"] = made.was_there.into();
        writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?;
    } else {
        print_header(&args.output, &made.header, out)?;
    }
    progress.done();
    Ok(())
}

fn print_header(path: &Path, header: &Header, out: &mut dyn Write) -> anyhow::Result<()> {
    let count = |count: u64, noun| grouped(count as usize, noun);
    let (settings, corpus, counts) = (&header.settings, &header.corpus, &header.counts);
    writeln!(
        out,
        "{}: {} of up to {} tokens, {}",
        printable(&path.display().to_string()),
        count(header.examples, "example"),
        settings.max_seq_length,
        count(header.ids, "token id")
    )?;
    writeln!(
        out,
        "of {} in {}, {} of text",
        count(counts.documents, "document"),
        count(corpus.files, "file"),
        count(counts.tokens, "token")
    )?;
    let mut share =
        |what: &str, part: u64, all: u64| print_share(what, part as usize, all as usize, out);
    share("tokens of text cut off", counts.lost, counts.tokens)?;
    share("tokens that are [UNK]", counts.unknown, counts.tokens)?;
    share(
        "examples of one segment",
        counts.one_segment,
        header.examples,
    )?;
    share("examples not of full length", counts.short, header.examples)?;
    Ok(())
}

/// Inspect pre-training examples, or write them as JSON lines
///
/// Files made by `electra data pretrain` are read in full and their checksums verified.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A line has the keys index, length, input_ids and segment_ids, without padding.

Example:
  electra data examples text.tokens --vocab vocab.txt --output examples.jsonl")]
pub struct ExamplesArgs {
    /// Files to read: names, or patterns separated by commas as in pretrain_tfrecords
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,
    /// Vocabulary file that the examples were made with, one token per line
    #[arg(long, value_name = "FILE")]
    pub vocab: PathBuf,
    /// Output file for the examples, as JSON lines; a name that ends in .gz is packed with gzip
    #[arg(long, value_name = "FILE.jsonl")]
    pub output: Option<PathBuf>,
    /// Write only the first N examples
    #[arg(long, value_name = "N", requires = "output")]
    pub first: Option<u64>,
}

pub(super) fn examples(
    args: &ExamplesArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let vocab = Vocab::read(&args.vocab)?;
    let examples = Examples::open(&args.files.join(","), &vocab)?;
    verify(&examples, &global.progress())?;
    let mut inputs: Vec<&Path> = examples.sources().iter().map(Source::path).collect();
    inputs.push(&args.vocab);
    let told = json!({
        "examples": examples.count(),
        "max_seq_length": examples.max_seq_length(),
        "files": examples.sources().len(),
    });
    let Some(output) = &args.output else {
        return print_examples(&examples, told, global, out);
    };
    spare_inputs(output, inputs)?;
    let count = args.first.unwrap_or(u64::MAX).min(examples.count());
    ensure!(count > 0, "--first: expected a number of examples, found 0");
    let mut failed = None;
    let written = write_whole(output, |file| {
        pack_by_name(output, file, |file| {
            let mut example = Example::default();
            for index in 0..count {
                if let Err(error) = examples.read(index, &mut example) {
                    failed = Some(error);
                    return Err(io::Error::other("not whole"));
                }
                let line = json!({
                    "index": index,
                    "length": example.ids.len(),
                    "input_ids": example.ids,
                    "segment_ids": example.segments().collect::<Vec<_>>(),
                });
                writeln!(file, "{line}")?;
            }
            Ok(())
        })
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    written.map_err(|source| data::Error::Write {
        path: output.clone(),
        source,
    })?;
    if global.json {
        print_json_beside(output, told, out)?;
        return Ok(());
    }
    print_beside(output, out, |out| {
        print_examples(&examples, told, global, out)?;
        let shown = grouped(count as usize, "example");
        let output = output.display().to_string();
        Ok(writeln!(out, "{shown} written to {}", printable(&output))?)
    })
}

/// Compares the sums of our own files, with a bar where that takes long.
pub(in crate::cli) fn verify(
    examples: &Examples,
    progress: &Progress,
) -> Result<(), pretrain::Error> {
    let mut reading = progress.reading();
    examples.verify(&mut |bytes, total| reading.at(bytes, total, "read", json!({})))
}

fn print_examples(
    examples: &Examples,
    told: serde_json::Value,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if global.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?);
    }
    for source in examples.sources() {
        match source {
            Source::Tokens(file) => print_header(file.path(), file.header(), out)?,
            Source::Records(file) => writeln!(
                out,
                "{}: {} of the reference, {} ids each",
                printable(&file.path().display().to_string()),
                grouped(file.records() as usize, "example"),
                file.max_seq_length()
            )?,
        }
    }
    if examples.sources().len() > 1 {
        let files = grouped(examples.sources().len(), "file");
        let count = grouped(examples.count() as usize, "example");
        writeln!(out, "{count} in {files}")?;
    }
    Ok(())
}
