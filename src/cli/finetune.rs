//! `electra finetune`: the reference's `run_finetuning.py`, with its flags, folders and results.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{GlobalArgs, compute::ComputeArgs, hyper_parameters::RunArgs, model::find_model, stop};
use crate::{
    config::Config,
    data::tokenizer::Tokenizer,
    eval::{results::results_text, summary::Summary},
    finetune::{Finetune, Outcome},
    kernels::kernel_choice::ChoiceCache,
    model::arithmetic::Arithmetic,
};

/// Fine-tune a pre-trained model on one or more tasks, then evaluate it
///
/// Reads DIR/models/NAME and DIR/finetuning_data/TASK/train.json, and writes the fine-tuned model,
/// answers and metrics below DIR/models/NAME. Started again, it goes on from its last checkpoint, in
/// the trial where it stopped; a run that is finished trains nothing.
///
/// Ctrl-C ends it after its step, with a checkpoint and exit code 130; SIGTERM and SIGHUP do so with
/// exit code 143. A second Ctrl-C ends it at once.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra finetune --data-dir data --model-name electra_large \\
    --set task_names=squad --set model_size=large --set train_batch_size=16")]
pub struct FinetuneArgs {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Begin anew instead of going on; an earlier run's folder is moved aside
    #[arg(long, help_heading = "Run")]
    pub restart: bool,
}

/// Trains and evaluates, and prints the figures of each trial.
pub(super) fn run(
    args: &FinetuneArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let config = args.run.resolve(args.compute.precision)?;
    let mut compute = args.compute.clone();
    compute.memory_budget = args.run.memory_budget(compute.memory_budget);
    let outcome = run_configuration(&config, &compute, global, args.restart)?;
    print_results(&outcome, &config, global, out)
}

/// Runs a resolved configuration on the device that was asked for.
pub(super) fn run_configuration(
    config: &Config,
    compute: &ComputeArgs,
    global: &GlobalArgs,
    restart: bool,
) -> anyhow::Result<Outcome> {
    let chosen = compute.open(global)?;
    let vocab = config.paths().vocab_file().to_owned();
    let progress = global.progress();
    if let Some(checkpoint) = &config.init_checkpoint {
        // The vocabulary may still be inside the checkpoint's zip.
        find_model(
            checkpoint,
            Some(&config.paths().pretrained_model()),
            &progress,
        )?;
    }
    let tokenizer = Tokenizer::for_model(&vocab, config)?;
    let tokens = config.train_batch_size * config.max_seq_length;
    let arithmetic = Arithmetic::on(
        &chosen,
        config.precision,
        &config.encoder(),
        tokens,
        &ChoiceCache::of_user(),
    )?;
    if chosen.adapter.is_some() {
        progress.note(&arithmetic.line());
    }
    let finetune = Finetune {
        config,
        device: &chosen.device,
        arithmetic,
        tokenizer: &tokenizer,
        untrained_head: false,
        restart,
        progress: &progress,
        memory_limits: compute.limits(&chosen),
        stop: stop::listen(),
    };
    Ok(finetune.run()?)
}

/// One line for each trial and task, as `T_results.txt` has them, or the JSON of all trials.
pub(super) fn print_results(
    outcome: &Outcome,
    config: &Config,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if global.json {
        writeln!(out, "{}", serde_json::to_string(&outcome.trials)?)?;
    } else if !outcome.trials.is_empty() {
        write!(out, "{}", results_text(&outcome.trials))?;
        if let Some(summary) = Summary::of(&outcome.trials) {
            write!(out, "{}", summary.text())?;
        }
    }
    if !global.json && !global.quiet {
        writeln!(out, "files:")?;
        for file in files(config) {
            writeln!(out, "  {}", file.display())?;
        }
    }
    Ok(())
}

/// What a run has written, those of its files that are there.
fn files(config: &Config) -> Vec<PathBuf> {
    let paths = config.paths();
    let mut files = Vec::new();
    if config.do_train {
        files.extend((1..=config.num_trials).map(|trial| paths.model_dir(trial).join("model.bpk")));
    }
    if config.do_eval {
        files.extend([
            paths.results_txt().to_owned(),
            paths.results_json(),
            paths.summary(),
            paths.report(),
        ]);
        for task in &config.task_names {
            files.extend([
                paths.qa_preds(task),
                paths.qa_nbest(task),
                paths.qa_null_odds(task),
                paths.qa_eval(task),
            ]);
        }
    }
    files.retain(|file| file.exists());
    files
}
