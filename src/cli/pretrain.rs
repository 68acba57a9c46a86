//! `electra pretrain`: the reference's `run_pretraining.py`, with its flags, folders and keys.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{bail, ensure};
use checkpoints_convert::printable;
use clap::{
    Args,
    builder::{PossibleValuesParser, StringValueParser, TypedValueParser},
};
use serde_json::{Map, Value};

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    data::pretrain::verify,
    ranked::{device_of, tell_devices, tell_exchange},
    session::Session,
    stop,
    suggested::suggested,
};
use crate::{
    config::{
        OptimizerMoments, PretrainConfig, PretrainPreset, Vocabulary, given, hparam::OVERRIDES,
    },
    counted::grouped,
    kernels::work,
    model::{absent::newest_step, arithmetic::Arithmetic},
    pretrain::{
        batches::Batches,
        continued::{Continued, check_sizes},
        examples::Source,
        masking::Masking,
        memory_plan::{self, PretrainFootprint},
        model_files::{GENERATOR_FILE, Letters},
        recorded_masks::RecordedMasks,
        run::Pretraining,
        settings, step_log,
    },
    ranks::Ranks,
    text::vocab::Vocab,
    train::memory_plan::{MemoryLimits, MemoryPlan},
};

/// Pre-train a model to tell replaced tokens from original ones
///
/// Reads examples made by `electra data pretrain` or by Google's code (pretrain_tfrecords) and
/// DIR/vocab.txt, and writes the model for `electra finetune` and its generator to DIR/models/NAME. To
/// resume an interrupted run from its last checkpoint, repeat the command. With do_train=false and
/// do_eval=true, evaluates the last checkpoint.
///
/// Ctrl-C stops the run after the current step, with a checkpoint and exit code 130.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "\
electra pretrain [OPTIONS] --data-dir <DIR> --model-name <NAME>")]
#[command(after_help = "\
Example:
  electra pretrain --data-dir data --model-name electra_mine \\
    --set pretrain_tfrecords=text.tokens --preset small --hours 24")]
pub struct PretrainArgs {
    /// Data folder: models are in DIR/models, the vocabulary and examples in DIR
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub data_dir: PathBuf,
    /// Name of the model, a folder in DIR/models
    #[arg(long, value_name = "NAME", help_heading = "Run")]
    pub model_name: String,
    /// Named set of hyper-parameters, listed by `electra hparams --pretrain`; --hparams and --set override it
    ///
    /// continue uses the sizes of the model given as init_checkpoint.
    #[arg(long, value_name = "NAME", value_parser = parse_preset(), help_heading = "Run")]
    pub preset: Option<PretrainPreset>,
    /// Hours that the run should take
    ///
    /// Sets num_train_steps from the speed measured at the start; a resumed run keeps that number.
    #[arg(
        long,
        value_name = "H",
        allow_negative_numbers = true,
        value_parser = parse_hours,
        help_heading = "Run"
    )]
    pub hours: Option<f64>,
    /// Hyper-parameters, as JSON text or the path of a .json file; // and /* */ comments are allowed
    #[arg(long, value_name = "JSON|FILE.json", help_heading = "Run")]
    pub hparams: Option<String>,
    /// Set one hyper-parameter, without JSON quoting; overrides --hparams; may be repeated
    #[arg(
        long = "set",
        value_name = "KEY=VALUE",
        value_parser = suggested(StringValueParser::new(), PretrainConfig::assignments()),
        hide_possible_values = true,
        help_heading = "Run"
    )]
    pub sets: Vec<String>,
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Start over instead of resuming; an earlier run's folder is moved aside
    #[arg(long, help_heading = "Run")]
    pub restart: bool,
    /// Follow a recorded run: its masks and samples, one step per line
    #[arg(
        long,
        value_name = "MASKS.jsonl",
        requires = "replay_examples",
        help_heading = "Run"
    )]
    pub replay: Option<PathBuf>,
    /// Examples of the recorded run, one per line
    #[arg(
        long,
        value_name = "FILE.jsonl",
        requires = "replay",
        help_heading = "Run"
    )]
    pub replay_examples: Option<PathBuf>,
}

pub(super) fn run(
    args: &PretrainArgs,
    global: &GlobalArgs,
    ranks: &Ranks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (given, own) = given_hparams(args)?;
    let (config, warnings) = PretrainConfig::resolve(&args.data_dir, &args.model_name, &given)?;
    for warning in &warnings {
        log::warn!("{warning}");
    }
    let vocab = Vocab::read(&config.vocab_file)?;
    let checkpoint = checkpoint_of(&config, args.restart);
    let own = match own {
        Some(own) => Some(own),
        None => of_weights(&config, checkpoint.as_deref())?,
    };
    if let Some(own) = &own {
        check_vocabulary(own, &vocab, &config.vocab_file)?;
    }
    let encoder = config.discriminator();
    let is_of_run = config.do_train && config.init_checkpoint.is_none();
    match is_of_run && vocab.len() < encoder.vocab_size {
        // A run that goes on has said so as it began.
        true if checkpoint.is_some() => {}
        true => log::warn!(
            "{}",
            too_many_embeddings(encoder.vocab_size, &config.vocab_file, vocab.len())
        ),
        false => vocab.check_size(&config.vocab_file, encoder.vocab_size)?,
    }
    let name = config.vocab_file.display().to_string();
    let masking = Masking::new(config.mask_prob, config.max_seq_length, &vocab, &name)?;
    let batches = match args.replay.as_ref().zip(args.replay_examples.as_ref()) {
        None => Batches::open(&config, &vocab, masking)?,
        Some((masks, examples)) => {
            let vocab_size = encoder.vocab_size;
            let recorded = RecordedMasks::read(masks, examples, &masking, vocab_size)?;
            Batches::recorded(&config, &vocab, masking, recorded)
        }
    };
    // Damage that makes other ids of ids would be trained on.
    if let Some(examples) = batches.examples() {
        warn_of_padding(&config, examples.max_seq_length());
        verify(examples, &global.progress())?;
    }
    let mut compute = args.compute.clone();
    compute.device = device_of(compute.device, ranks);
    let session = Session::open(&compute, global)?;
    let progress = &session.progress;
    tell_devices(ranks, &session.chosen.line(), progress);
    if config.do_train {
        tell_exchange(ranks, config.gradient_exchange, progress);
    }
    let tokens = config
        .train_batch_size
        .saturating_mul(config.max_seq_length);
    let arithmetic = session.arithmetic(config.precision, &encoder, tokens)?;
    progress.note(&arithmetic.line());
    if let Some(offer) = Arithmetic::offer(&session.chosen, config.precision) {
        progress.note(&offer);
    }
    // An evaluation has neither moments nor gradients, so a training step's memory plan does not apply.
    let memory = match config.do_train {
        true => Some(within_memory(&config, arithmetic, &session)?),
        false => None,
    };
    let run = Pretraining {
        config: &config,
        device: &session.chosen.device,
        device_name: session.chosen.short(),
        arithmetic,
        memory,
        letters: letters(&config, &batches),
        batches,
        restart: args.restart,
        progress,
        stop: stop::listen(),
        ranks,
    };
    match config.do_train {
        true => {
            let trained = run.train();
            if let Err(error) = &trained
                && error.was_stopped()
            {
                progress.note(&error.to_string());
            }
            trained?;
            if !ranks.is_first() {
                return Ok(());
            }
            print_files(&config, global, out)?;
        }
        // Evaluated by rank 0 alone.
        false if !ranks.is_first() => {}
        false => {
            let results = run.evaluate()?;
            if global.json {
                writeln!(out, "{}", Value::from(results))?;
            } else {
                for (name, value) in &results {
                    writeln!(out, "  {name} = {value}")?;
                }
            }
        }
    }
    progress.done();
    Ok(())
}

fn parse_preset() -> impl TypedValueParser<Value = PretrainPreset> {
    PossibleValuesParser::new(PretrainPreset::WORDS).try_map(|word| word.parse::<PretrainPreset>())
}

fn parse_hours(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hours) if hours > 0.0 && hours.is_finite() => Ok(hours),
        _ => Err("expected a number of hours above 0, such as 24 or 0.5".to_owned()),
    }
}

/// The hyper-parameters in order of precedence: those that the user gives, those of the model that the run
/// continues from, the preset. Also returns that model's vocabulary.
fn given_hparams(args: &PretrainArgs) -> anyhow::Result<(Map<String, Value>, Option<Vocabulary>)> {
    let mut user = given::read(args.hparams.as_deref(), &args.sets)?;
    if let Some(precision) = args.compute.precision {
        user.insert("precision".to_owned(), precision.word().into());
    }
    if let Some(hours) = args.hours {
        user.insert("hours".to_owned(), hours.into());
    }
    let mut given = args.preset.map(PretrainPreset::hparams).unwrap_or_default();
    if user.get("hours").is_some_and(|hours| !hours.is_null()) {
        given.shift_remove("num_train_steps");
    }
    // Of the preset, only those that `debug` reduces.
    if user.get("debug") == Some(&Value::Bool(true)) {
        for key in ["num_train_steps", "train_batch_size"] {
            given.shift_remove(key);
        }
    }
    let mut own = None;
    if args.preset == Some(PretrainPreset::Continue) {
        let Some(Value::String(path)) = user.get("init_checkpoint") else {
            bail!(
                "--preset continue: expected a model to continue from, found none; give --set \
                 init_checkpoint=PATH: a released zip or folder, or the folder of another run"
            );
        };
        check_exists(Path::new(path), &args.data_dir)?;
        let continued = Continued::read(Path::new(path))?;
        given.extend(continued.hparams);
        own = continued.vocabulary;
    }
    let overrides = given.get(OVERRIDES).cloned();
    given.extend(user);
    // For the network too, only given values take precedence.
    if let (Some(Value::Object(mut all)), Some(Value::Object(won))) =
        (overrides, given.get(OVERRIDES))
    {
        all.extend(won.clone());
        given.insert(OVERRIDES.to_owned(), all.into());
    }
    Ok((given, own))
}

/// The newest checkpoint, from which a run goes on, or which it evaluates.
fn checkpoint_of(config: &PretrainConfig, restart: bool) -> Option<PathBuf> {
    if config.do_train && restart {
        return None;
    }
    // Whether it is intact is seen when it is opened.
    newest_step(&config.model_dir)
}

/// The vocabulary of the weights that the run begins with or evaluates, whose sizes must be the run's; `None` if
/// they do not tell.
fn of_weights(
    config: &PretrainConfig,
    checkpoint: Option<&Path>,
) -> anyhow::Result<Option<Vocabulary>> {
    // A run that goes on opens them, too, and begins anew if no checkpoint is intact.
    let weights = match config.do_train {
        true => config.init_checkpoint.as_deref(),
        false => checkpoint,
    };
    let Some(weights) = weights else {
        return Ok(None);
    };
    check_exists(weights, &config.data_dir)?;
    Ok(check_sizes(weights, config)?)
}

/// Refuses the name of a model in the data folder in place of its path.
fn check_exists(path: &Path, data_dir: &Path) -> anyhow::Result<()> {
    let named = data_dir.join("models").join(path);
    ensure!(
        path.exists() || checkpoints_convert::is_checkpoint(path) || !named.is_dir(),
        "{}: there is no such file or folder; did you mean {}?",
        path.display(),
        named.display()
    );
    Ok(())
}

/// A warning of a new model with embeddings for more tokens than its vocabulary has.
fn too_many_embeddings(vocab_size: usize, vocab_file: &Path, tokens: usize) -> String {
    format!(
        "vocab_size = {vocab_size}, but {} has {}: the other embeddings are never trained; give --set \
         vocab_size={tokens}",
        vocab_file.display(),
        grouped(tokens, "token"),
    )
}

/// Warns of an evaluation whose AUC counts padding that no example has.
fn warn_of_padding(config: &PretrainConfig, longest: usize) {
    if !config.do_train && config.auc_counts_padding && longest < config.max_seq_length {
        log::warn!(
            "examples of at most {longest} tokens are padded to max_seq_length {}: the AUC counts padding, as \
             Google's does, and is too high; give --set max_seq_length={longest}",
            config.max_seq_length
        );
    }
}

/// Refuses weights that were trained with another vocabulary.
fn check_vocabulary(own: &Vocabulary, vocab: &Vocab, vocab_file: &Path) -> anyhow::Result<()> {
    let name = own.file.display().to_string();
    let own = Vocab::parse(&String::from_utf8_lossy(&own.bytes), &name)?;
    ensure!(
        settings::Vocabulary::of(&own) == settings::Vocabulary::of(vocab),
        "{}: expected the vocabulary of the model that the run starts from, found another, whose ids stand \
         for other tokens; give --set vocab_file={}",
        vocab_file.display(),
        match name.ends_with(".txt") {
            true => name,
            false => format!("FILE, vocab.txt of {name}"),
        }
    );
    Ok(())
}

/// Chooses the largest micro-batch that fits in memory and that a slow device computes before its driver
/// aborts the launch; recomputes layers if too few examples would fit.
fn within_memory(
    config: &PretrainConfig,
    arithmetic: Arithmetic,
    session: &Session,
) -> anyhow::Result<MemoryPlan> {
    let encoder = config.discriminator();
    let widths = [encoder.hidden_size, encoder.intermediate_size];
    let limits = MemoryLimits {
        tokens: work::most_tokens(&session.chosen.device, widths),
        ..session.memory_limits()
    };
    let footprint = PretrainFootprint::new(config, arithmetic, OptimizerMoments::F32);
    let plan = footprint.plan(limits)?;
    if let Some(line) = memory_plan::line(plan, config, limits) {
        session.progress.note(&line);
    }
    Ok(plan)
}

/// How text is tokenised, as recorded in files of examples made by this program.
fn letters(config: &PretrainConfig, batches: &Batches) -> Letters {
    let sources = batches.examples().map_or(&[][..], |it| it.sources());
    let told = sources.iter().find_map(|source| match source {
        Source::Tokens(file) => Some(&file.header().settings),
        Source::Records(_) => None,
    });
    match told {
        Some(settings) => Letters {
            lower_case: settings.do_lower_case,
            strip_accents: (settings.do_strip_accents != settings.do_lower_case)
                .then_some(settings.do_strip_accents),
        },
        None => Letters {
            lower_case: config.do_lower_case,
            strip_accents: None,
        },
    }
}

fn print_files(
    config: &PretrainConfig,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if global.json || global.quiet {
        return Ok(());
    }
    writeln!(out, "\nfiles:")?;
    for name in ["model.bpk", GENERATOR_FILE, step_log::FILE] {
        let file: &Path = &config.model_dir.join(name);
        writeln!(out, "  {}", printable(&file.display().to_string()))?;
    }
    Ok(())
}
