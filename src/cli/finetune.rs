//! `electra finetune`: the reference's `run_finetuning.py`, with its flags, folders and results.

use std::{
    cell::OnceCell,
    io::Write,
    path::{Path, PathBuf},
};

use checkpoints_convert::printable;
use clap::Args;

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    hyper_parameters::RunArgs,
    next_steps::{NextSteps, example},
    ranked::{device_of, first_and_then_others, tell_devices, tell_exchange},
    run_model,
    session::Session,
    stop,
};
use crate::{
    config::{Config, Draft},
    eval::{figures::Scores, results_table::results_table},
    fine_tuned::{Described, TaskChoice, answering},
    finetune::{Finetune, GivenFiles, Outcome, check_trial},
    model::{
        arithmetic::Arithmetic,
        folder::{self, ModelFolder},
    },
    progress::Progress,
    ranks::Ranks,
    tasks::{
        asked::Form,
        kind::{heads, remarks, task},
    },
};

/// Fine-tune a pre-trained model on tasks, then evaluate it
///
/// Reads the model in DIR/models/NAME and the data in DIR/finetuning_data/TASK, and writes the fine-tuned
/// model, its predictions and metrics below DIR/models/NAME. To resume an interrupted run from its last
/// checkpoint, repeat the command; a finished run is not trained again.
///
/// Ctrl-C stops the run after the current step, with a checkpoint and exit code 130; SIGTERM and SIGHUP do
/// the same with exit code 143. A second Ctrl-C stops it at once.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra finetune --data-dir data --model-name electra_large \\
    --set task_names=squad --set train_batch_size=16")]
pub struct FinetuneArgs {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Start over instead of resuming; an earlier run's folder is moved aside
    #[arg(long, help_heading = "Run")]
    pub restart: bool,
    /// Train on the features in the order of this file, with one {"task": T, "eid": N} per line
    #[arg(long, value_name = "ORDER.jsonl", help_heading = "Run")]
    pub replay: Option<PathBuf>,
    /// Run only this one of the num_trials trials
    ///
    /// Several processes, on several cards or machines, can so share a run. Each one that finishes a trial
    /// collects the results of all finished trials.
    #[arg(long, value_name = "K", help_heading = "Run")]
    pub trial: Option<usize>,
    /// Run every combination of these values, each in its own folder, and compare the scores; may be repeated
    ///
    /// To resume an interrupted sweep, repeat the command. Several processes given the same command share the
    /// work.
    #[arg(long = "sweep", value_name = "KEY=V1,V2", help_heading = "Run")]
    pub sweeps: Vec<String>,
    /// Show what the run would do, without training or writing anything
    #[arg(long, help_heading = "Run")]
    pub dry_run: bool,
}

/// Trains and evaluates, and prints the scores of each trial.
pub(super) fn run(
    args: &FinetuneArgs,
    global: &GlobalArgs,
    ranks: &Ranks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let draft = args.run.draft(args.compute.precision)?;
    let mut compute = args.compute.clone();
    compute.memory_budget = args.run.memory_budget(compute.memory_budget);
    let (config, outcome) = run_draft(&draft, &compute, global, ranks, Course::of(args))?;
    if !ranks.is_first() {
        return Ok(());
    }
    if args.dry_run {
        global.progress().done();
        return Ok(());
    }
    print_results(&outcome, &config, global, out)?;
    if !global.json && !global.quiet {
        print_next(&config, args.trial, &compute, out)?;
    }
    Ok(())
}

/// How a run starts.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    pub restart: bool,
    /// Stop before anything is written.
    pub dry_run: bool,
    /// The only trial to run.
    pub trial: Option<usize>,
    /// For a checkpoint that is converted, also use the threshold chosen for its record, besides what the
    /// checkpoint says about itself.
    pub calibrated: bool,
    /// The recorded order of the training features.
    pub replay: Option<PathBuf>,
    /// The file with the hyper-parameters.
    pub hparams: Option<PathBuf>,
}

impl Course {
    pub(super) fn of(args: &FinetuneArgs) -> Self {
        Self {
            restart: args.restart,
            dry_run: args.dry_run,
            trial: args.trial,
            calibrated: false,
            replay: args.replay.clone(),
            hparams: args.run.given.file().map(Path::to_owned),
        }
    }
}

/// Completes a configuration with what its checkpoint says, and runs it on the requested device.
pub(super) fn run_draft(
    draft: &Draft,
    compute: &ComputeArgs,
    global: &GlobalArgs,
    ranks: &Ranks,
    course: Course,
) -> anyhow::Result<(Config, Outcome)> {
    // Contradictions with the checkpoint are reported before it is converted.
    let (resolved, facts) = run_model::found(draft)?;
    check_trial(&resolved.config, course.trial)?;
    let stored = facts.as_ref().map(|facts| facts.record.heads.clone());
    let stored = stored.unwrap_or_default();
    let mut compute = compute.clone();
    compute.device = device_of(compute.device, ranks);
    let session = Session::open(&compute, global)?;
    let progress = &session.progress;
    tell_devices(ranks, &session.chosen.line(), progress);
    if resolved.config.do_train {
        tell_exchange(ranks, resolved.config.gradient_exchange, progress);
    }
    for note in &resolved.notes {
        progress.note(note);
    }
    let (config, tokenizer) = if course.dry_run {
        let tokenizer = run_model::tokenizer(draft, &resolved.config, facts.as_ref())?;
        (resolved.config, tokenizer)
    } else {
        let mut draft = draft.clone();
        let converts = draft
            .init_checkpoint()
            .is_some_and(|path| has_record(&path));
        let found = first_and_then_others(ranks, || Ok(run_model::record(&draft, progress)?))?;
        // A converted checkpoint may have a threshold that was chosen for its record.
        if let Some(found) = found.as_ref().filter(|_| course.calibrated && converts) {
            take_answering(&mut draft, &found.path, progress)?;
        }
        let config = run_model::opened(&draft, facts, found.as_ref())?;
        let tokenizer = config.tokenizer(config.paths().vocab_file())?;
        (config, tokenizer)
    };
    let tokens = config.train_batch_size * config.max_seq_length;
    let arithmetic = session.arithmetic(config.precision, &config.encoder(), tokens)?;
    progress.note(&arithmetic.line());
    if let Some(offer) = Arithmetic::offer(&session.chosen, config.precision) {
        progress.note(&offer);
    }
    let heads = heads(&config, &stored)?;
    let finetune = Finetune {
        config: &config,
        given: GivenFiles {
            hparams: course.hparams.as_deref(),
            replay: course.replay.as_deref(),
        },
        heads: &heads,
        device: &session.chosen.device,
        device_name: session.chosen.short(),
        arithmetic,
        tokenizer: &tokenizer,
        untrained_head: false,
        restart: course.restart,
        dry_run: course.dry_run,
        trial: course.trial,
        progress,
        memory_limits: session.memory_limits(),
        answered_at_once: OnceCell::new(),
        stop: stop::listen(),
        ranks,
    };
    let outcome = finetune.run()?;
    Ok((config, outcome))
}

/// For settings that are not given, takes those of the model in `folder` that determine how it answers.
///
/// # Errors
/// If its `config.json` cannot be read.
pub(super) fn take_answering(
    draft: &mut Draft,
    folder: &Path,
    progress: &Progress,
) -> Result<(), folder::Error> {
    let taken = draft.take(&answering(folder)?);
    if !taken.is_empty() {
        let taken = taken.iter().map(|(key, value)| format!("{key} {value}"));
        let taken: Vec<_> = taken.collect();
        progress.note(&format!("from the model: {}", taken.join(", ")));
    }
    Ok(())
}

/// Whether the checkpoint at a path is converted to a record, not a record itself.
pub(super) fn has_record(checkpoint: &Path) -> bool {
    checkpoints_convert::is_checkpoint(checkpoint)
        && !checkpoints_convert::is_fine_tuned(checkpoint)
}

/// Prints commands for the model and the report of the run, or of the requested `trial`.
fn print_next(
    config: &Config,
    trial: Option<usize>,
    compute: &ComputeArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let paths = config.paths();
    let report = Some(paths.report()).filter(|report| config.do_eval && report.is_file());
    // Unless all models are kept, only the last trial's folder remains.
    let trials = trial.into_iter().chain(1..=config.num_trials);
    let mut folders = trials.map(|trial| paths.model_dir(trial));
    let model = folders.find(|folder| config.do_train && folder.join("model.bpk").is_file());
    let described = model.as_ref().and_then(|folder| {
        let path = folder.clone();
        let found = ModelFolder { path };
        Described::of(&found, TaskChoice::First).ok()
    });
    let form = described.as_ref().map(|described| described.asking.form());
    let next = NextSteps {
        report: report.as_deref(),
        // A model without a description cannot be queried.
        checkpoint: model.as_deref().filter(|_| form.is_some()),
        asked: &example(form.unwrap_or(Form::Question)),
        compute,
    };
    next.print(out)
}

/// Prints a table of each task's scores, or the JSON of all finished trials.
pub(super) fn print_results(
    outcome: &Outcome,
    config: &Config,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if global.json {
        writeln!(out, "{}", serde_json::to_string(&outcome.trials)?)?;
    } else if !outcome.trials.is_empty() {
        let shown = |name: &str, scores: &Scores, key: &str, figure| {
            task(name, config).shown(scores, key, figure)
        };
        let numbers = match config.num_trials {
            1 => &[],
            _ => outcome.numbers.as_slice(),
        };
        write!(out, "{}", results_table(&outcome.trials, numbers, shown))?;
    }
    for remark in remarks(&outcome.trials, config) {
        global.progress().note(&remark);
    }
    if !global.json && !global.quiet && !outcome.files.is_empty() {
        writeln!(out, "\nfiles:")?;
        for file in &outcome.files {
            writeln!(out, "  {}", printable(&file.display().to_string()))?;
        }
    }
    global.progress().done();
    Ok(())
}
