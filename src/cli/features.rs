//! `electra features`: the featurised data as JSON lines.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use checkpoints_convert::printable;
use clap::Args;
use serde_json::json;

use super::{GlobalArgs, hyper_parameters::RunArgs, print_beside, print_json_beside, run_model};
use crate::{
    config::Config,
    counted::counted,
    data::{self, split::Split},
    durable_file::{pack_by_name, spare_inputs, write_whole},
    finetune::model_files,
    tasks::{
        kind::{heads, task},
        qa::token_counts::TokenCounts,
    },
};

/// All files in the folders of a run's tasks: descriptions and data.
pub(super) fn task_files(config: &Config) -> Vec<PathBuf> {
    let folders = config.task_names.iter();
    let folders = folders.map(|task| config.paths().task_folder(task));
    let entries = folders.filter_map(|folder| folder.read_dir().ok());
    let files = entries.flatten().filter_map(Result::ok);
    files.map(|entry| entry.path()).collect()
}

/// Write the features of a task's data as JSON lines
///
/// A feature is one tokenised input of the model: a window of a passage with its question, a text or a
/// sentence. The output has one JSON object per feature, one task after the other.
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
    /// Part of the data: train, dev or test; for mnli also dev_mismatched, test_matched,
    /// test_mismatched and diagnostic
    #[arg(long, value_name = "SPLIT", value_parser = SPLITS, hide_possible_values = true)]
    pub split: String,
    /// Output file; a name that ends in .gz is packed with gzip
    #[arg(long, value_name = "FILE.jsonl")]
    pub output: PathBuf,
}

/// The names of all data splits of all tasks.
const SPLITS: [&str; 8] = [
    "train",
    "dev",
    "test",
    "dev_matched",
    "dev_mismatched",
    "test_matched",
    "test_mismatched",
    "diagnostic",
];

/// Featurises and writes the tasks, one after the other.
pub(super) fn run(
    args: &FeaturesArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let draft = args.run.draft(None)?;
    let (resolved, facts) = run_model::described(&draft)?;
    let config = resolved.config;
    let tokenizer = run_model::tokenizer(&draft, &config, facts.as_ref())?;
    let parts = config.task_names.iter().map(|name| {
        let part = task(name, &config).part(&args.split);
        part.with_context(|| {
            format!(
                "{name} has no split {}; see electra features --help",
                args.split
            )
        })
    });
    let parts: Vec<(Split, &str)> = parts.collect::<Result<_, _>>()?;
    let inputs = config.task_names.iter().zip(&parts);
    let mut inputs: Vec<_> = inputs
        .flat_map(|(name, (split, _))| task(name, &config).data_files(&config, *split))
        .collect();
    inputs.extend(task_files(&config));
    inputs.push(config.paths().vocab_file().to_owned());
    if let Some(checkpoint) = draft.init_checkpoint() {
        inputs.extend(model_files(&checkpoint));
    }
    inputs.extend(args.run.given.file().map(Path::to_owned));
    spare_inputs(&args.output, inputs.iter().map(PathBuf::as_path))?;
    let stored = facts.map(|facts| facts.record.heads).unwrap_or_default();
    let (mut files, mut features, mut tokens) = (Vec::new(), 0, TokenCounts::default());
    for (head, (split, part)) in heads(&config, &stored)?.iter().zip(parts) {
        let task = task(&head.task, &config);
        let file = task.read(split, Some(part), &head.config, &tokenizer, &config)?;
        for line in file.left_out() {
            log::warn!("{line}");
        }
        features += file.feature_count();
        tokens += file.tokens();
        files.push(file);
    }
    let written = write_whole(&args.output, |out| {
        pack_by_name(&args.output, out, |out| {
            files.iter().try_for_each(|file| file.write_features(out))
        })
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
        let features = counted(features, "feature");
        writeln!(out, "{features}: {}", printable(&output))?;
        Ok(writeln!(out, "{tokens}")?)
    })
}
