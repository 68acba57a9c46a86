//! `electra features`: the featurised data as JSON lines.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde_json::json;

use super::{GlobalArgs, hyper_parameters::RunArgs, print_beside, print_json_beside, run_model};
use crate::{
    data::{self, split::Split},
    durable_file::{spare_inputs, write_whole},
    tasks::{
        kind::{heads, task},
        qa::token_counts::TokenCounts,
    },
};

/// Write the features that a task's file becomes, as JSON lines
#[derive(Debug, Clone, Args)]
#[command(override_usage = "\
electra features [OPTIONS] --data-dir <DIR> --model-name <NAME>
                        --split <SPLIT> --output <FILE.jsonl>")]
#[command(after_help = "\
Example:
  electra features --data-dir data --model-name electra_large \\
    --set task_names=squad --split dev --output features.dev.jsonl")]
pub struct FeaturesArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// The part of the data
    #[arg(long, value_name = "SPLIT", value_parser = parse_split())]
    pub split: Split,
    /// The file to write
    #[arg(long, value_name = "FILE.jsonl")]
    pub output: PathBuf,
}

fn parse_split() -> impl TypedValueParser<Value = Split> {
    let splits = [Split::Train, Split::Dev];
    PossibleValuesParser::new(splits.map(Split::name)).try_map(move |name| {
        splits
            .into_iter()
            .find(|split| split.name() == name)
            .ok_or("expected train or dev")
    })
}

/// Featurises and writes; several tasks stand one after the other.
pub(super) fn run(
    args: &FeaturesArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let draft = args.run.draft(None)?;
    let (resolved, facts) = run_model::described(&draft)?;
    let config = resolved.config;
    let tokenizer = run_model::tokenizer(&draft, &config, facts.as_ref())?;
    let inputs = config.task_names.iter();
    let mut inputs: Vec<_> = inputs
        .flat_map(|name| task(name, &config).data_files(&config, args.split))
        .collect();
    inputs.push(config.paths().vocab_file().to_owned());
    inputs.extend(args.run.given.hparams.as_ref().map(PathBuf::from));
    spare_inputs(&args.output, inputs.iter().map(PathBuf::as_path))?;
    let stored = facts.map(|facts| facts.record.heads).unwrap_or_default();
    let (mut files, mut features, mut tokens) = (Vec::new(), 0, TokenCounts::default());
    for head in heads(&config, &stored)? {
        let file = task(&head.task, &config).read(args.split, &head.config, &tokenizer, &config)?;
        for line in file.left_out() {
            log::warn!("{line}");
        }
        features += file.feature_count();
        tokens += file.tokens();
        files.push(file);
    }
    let written = write_whole(&args.output, |out| {
        files.iter().try_for_each(|file| file.write_features(out))
    });
    written.map_err(|source| data::Error::Write {
        path: args.output.clone(),
        source,
    })?;
    if global.json {
        let told = json!({
            "output": args.output,
            "features": features,
            "tokens": tokens.tokens,
            "unknown": tokens.unknown,
        });
        print_json_beside(&args.output, told, out)?;
        global.progress().done();
        return Ok(());
    }
    print_beside(&args.output, out, |out| {
        let output = args.output.display().to_string();
        writeln!(out, "{features} features: {}", printable(&output))?;
        Ok(writeln!(out, "{tokens}")?)
    })
}
