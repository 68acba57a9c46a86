//! `electra bench`: how fast a device trains and predicts, on random weights.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{GlobalArgs, compute::ComputeArgs, session::Session};
use crate::{
    bench::{Bench, Figures, Task, Timing, groups, padding, pretrain::PretrainBench},
    config::{Config, ModelSize, OptimizerMoments, PretrainConfig},
    kernels::formats::Element,
    model::arithmetic::Arithmetic,
    tasks::qa::span_head::SpanHeadConfig,
    train::loss_scale::LossScale,
};

/// Time training steps or predictions on random weights
///
/// Prints one line of JSON: milliseconds per step (median); sequences, real tokens and model operations
/// per second; and the most memory held. A step of pre-training is that of both networks, with a
/// generator and masks as the paper has them for the size, and says which part of a padded batch was
/// padding and is not computed.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra bench --mode train --model-size large --batch-size 32 --seq-len 512 \\
    --micro-batch-size 4 --gradient-checkpointing on")]
pub struct BenchArgs {
    /// What to time
    #[arg(long, value_enum, default_value = "train")]
    pub mode: Mode,
    /// Size of the model: small, base or large
    #[arg(long, value_name = "SIZE", default_value = "large")]
    pub model_size: ModelSize,
    /// Sequences per step
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..65_536))]
    pub batch_size: u32,
    /// Tokens in every sequence
    #[arg(long, value_name = "N", default_value = "512", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub seq_len: u32,
    /// JSON file with a list of lengths to draw sequences from, instead of --seq-len
    #[arg(long, value_name = "FILE")]
    pub lengths: Option<PathBuf>,
    /// Put sequences of similar length into one step
    #[arg(long, requires = "lengths")]
    pub bucket: bool,
    /// Compute every sequence as N tokens, as a program that pads would
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub pad_to: Option<u32>,
    /// Steps to time
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Warm-up steps, which are not timed
    #[arg(long, value_name = "N", default_value = "5")]
    pub warmup: u32,
    /// Sequences computed at once; their gradients are accumulated over the batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub micro_batch_size: Option<u32>,
    /// Keep only each layer's input and recompute the rest in the backward pass
    #[arg(long, value_enum, default_value = "off")]
    pub gradient_checkpointing: Switch,
    /// What Adam's moments are stored in: f32, bf16 or 8bit
    #[arg(long, value_name = "FORMAT", default_value = "f32")]
    pub optimizer_moments: OptimizerMoments,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    Train,
    Predict,
    Pretrain,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Predict => "predict",
            Self::Pretrain => "pretrain",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// Times and prints one line of JSON.
pub(super) fn run(
    args: &BenchArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.compute.memory_budget.is_none(),
        "--memory-budget: bench computes exactly the batch that it is given, in as much memory as that takes; \
         use --micro-batch-size and --gradient-checkpointing instead"
    );
    let batch_size = args.batch_size as usize;
    let groups = match &args.lengths {
        None => vec![vec![args.seq_len as usize; batch_size]],
        Some(file) => groups(&read_lengths(file)?, batch_size, args.bucket),
    };
    anyhow::ensure!(
        !groups.is_empty(),
        "--lengths holds fewer than the {batch_size} lengths of a batch; give a smaller --batch-size"
    );
    let timed = match args.mode {
        Mode::Train => fine_tuning(args, global, groups, Task::Train),
        Mode::Predict => fine_tuning(args, global, groups, Task::Predict),
        Mode::Pretrain => pretraining(args, global, groups),
    }?;
    let (chosen, figures) = (&timed.session.chosen, &timed.figures);
    let total = figures.total_seconds();
    let mut line = json!({
        "tool": concat!("electra ", env!("CARGO_PKG_VERSION")),
        "device": chosen.name,
        "backend": chosen.backend,
        "driver": chosen.driver,
        "mode": args.mode.word(),
        "size": args.model_size.word(),
        "batch_size": args.batch_size,
        "seq_len": args.seq_len,
        "lengths": args.lengths,
        "bucket": args.bucket,
        "pad_to": args.pad_to.unwrap_or(0),
        "steps": args.steps,
        "warmup": args.warmup,
        "dtype": timed.arithmetic.word(),
        "micro_batch_size": args.micro_batch_size,
        "checkpointing": args.gradient_checkpointing == Switch::On,
        "optimizer_moments": args.optimizer_moments.word(),
        "ms_per_step": 1000.0 * figures.median_seconds(),
        "sequences_per_s": figures.sequences as f64 / total,
        "tokens_per_s": figures.tokens as f64 / total,
        "model_flops_per_s": figures.operations / total,
        "peak_bytes": figures.peak_bytes,
    });
    if let Some(line) = line.as_object_mut() {
        line.extend(timed.more);
    }
    writeln!(out, "{line}")?;
    Ok(())
}

/// What was timed, and on which device.
struct Timed<'a> {
    session: Session<'a>,
    arithmetic: Arithmetic,
    figures: Figures,
    /// Further keys of the output line.
    more: Map<String, Value>,
}

fn fine_tuning<'a>(
    args: &'a BenchArgs,
    global: &GlobalArgs,
    groups: Vec<Vec<usize>>,
    task: Task,
) -> anyhow::Result<Timed<'a>> {
    let mut given = Map::new();
    given.insert("task_names".into(), json!(["squad"]));
    given.insert("model_size".into(), json!(args.model_size.word()));
    let (config, _) = Config::resolve("bench".as_ref(), "bench", &given)?;
    let encoder = config.encoder();
    let session = Session::open(&args.compute, global)?;
    let arithmetic = session.arithmetic(session.precision(), &encoder, args.tokens())?;
    let bench = Bench {
        timing: args.timing(&session.chosen.device, arithmetic, groups),
        task,
        encoder,
        head: SpanHeadConfig::of(&config),
    };
    let figures = bench.run()?;
    Ok(Timed {
        session,
        arithmetic,
        figures,
        more: Map::new(),
    })
}

fn pretraining<'a>(
    args: &'a BenchArgs,
    global: &GlobalArgs,
    groups: Vec<Vec<usize>>,
) -> anyhow::Result<Timed<'a>> {
    // The settings with which the paper trained models of these sizes.
    let (generator_hidden_size, mask_prob) = match args.model_size {
        ModelSize::Small => (0.25, 0.15),
        ModelSize::Base => (1.0 / 3.0, 0.15),
        ModelSize::Large => (0.25, 0.25),
    };
    let longest = groups.iter().flatten().max().copied().unwrap_or(1);
    let given = Map::from_iter([
        ("model_size".to_owned(), json!(args.model_size.word())),
        ("max_seq_length".to_owned(), json!(longest)),
        (
            "generator_hidden_size".to_owned(),
            json!(generator_hidden_size),
        ),
        ("mask_prob".to_owned(), json!(mask_prob)),
    ]);
    let (config, _) = PretrainConfig::resolve("bench".as_ref(), "bench", &given)?;
    let session = Session::open(&args.compute, global)?;
    let encoder = config.discriminator();
    let arithmetic = session.arithmetic(session.precision(), &encoder, args.tokens())?;
    let padding_saved = match args.pad_to {
        None => padding(&groups),
        Some(_) => 0.0,
    };
    let bench = PretrainBench {
        timing: args.timing(&session.chosen.device, arithmetic, groups),
        config,
    };
    let figures = bench.run()?;
    let more = Map::from_iter([
        (
            "generator_hidden_size".to_owned(),
            json!(generator_hidden_size),
        ),
        ("mask_prob".to_owned(), json!(mask_prob)),
        ("padding_saved".to_owned(), json!(padding_saved)),
    ]);
    Ok(Timed {
        session,
        arithmetic,
        figures,
        more,
    })
}

impl BenchArgs {
    /// Tokens in a batch.
    fn tokens(&self) -> usize {
        self.batch_size as usize * self.seq_len as usize
    }

    /// What is timed of these groups on a device.
    fn timing<'a>(
        &self,
        device: &'a Device,
        arithmetic: Arithmetic,
        groups: Vec<Vec<usize>>,
    ) -> Timing<'a> {
        Timing {
            device,
            arithmetic,
            groups,
            pad_to: self.pad_to.map(|n| n as usize),
            steps: self.steps as usize,
            warmup: self.warmup as usize,
            micro_batch_size: self.micro_batch_size.map(|n| n as usize),
            moments: self.optimizer_moments,
            recompute_layers: self.gradient_checkpointing == Switch::On,
            loss_scale: match arithmetic.layers {
                Element::F32 => 1.0,
                Element::F16 => LossScale::default().factor,
            },
        }
    }
}

/// A JSON list of lengths from 1 to 512.
fn read_lengths(file: &std::path::Path) -> anyhow::Result<Vec<usize>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lengths: Vec<usize> = serde_json::from_str(&text).with_context(|| {
        format!(
            "{}: expected a JSON list of lengths in tokens",
            file.display()
        )
    })?;
    match lengths.iter().find(|length| !(1..=512).contains(*length)) {
        None => Ok(lengths),
        Some(length) => anyhow::bail!(
            "{}: length {length}: expected 1 to 512, the positions of the model",
            file.display()
        ),
    }
}
