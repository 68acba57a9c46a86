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
    data::split::Split,
    durable_file::spare_inputs,
    tasks::qa::{evaluate::TaskData, feature_file::write_features, token_counts::TokenCounts},
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
        .map(|task| config.paths().task_data(task, args.split))
        .collect();
    inputs.push(config.paths().vocab_file().to_owned());
    inputs.extend(args.run.given.hparams.as_ref().map(PathBuf::from));
    spare_inputs(&args.output, inputs.iter().map(PathBuf::as_path))?;
    let mut features = Vec::new();
    let mut tokens = TokenCounts::default();
    for task in &config.task_names {
        let file = config.paths().task_data(task, args.split);
        let data = TaskData::read(task, &file, args.split, &tokenizer, &config)?;
        for skipped in &data.examples.skipped {
            log::warn!("{}: left out: {}", skipped.qas_id, skipped.reason);
        }
        features.extend(data.features);
        tokens += data.tokens;
    }
    write_features(&args.output, &features, args.split)?;
    if global.json {
        let told = json!({
            "output": args.output,
            "features": features.len(),
            "tokens": tokens.tokens,
            "unknown": tokens.unknown,
        });
        print_json_beside(&args.output, told, out)?;
        global.progress().done();
        return Ok(());
    }
    print_beside(&args.output, out, |out| {
        let output = args.output.display().to_string();
        writeln!(out, "{} features: {}", features.len(), printable(&output))?;
        Ok(writeln!(out, "{tokens}")?)
    })
}
