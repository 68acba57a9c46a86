//! `electra hparams`: every hyper-parameter with default, meaning and source.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    GlobalArgs,
    hyper_parameters::{GivenArgs, parse_preset},
    run_model,
};
use crate::{
    config::{
        Config, Decides, Draft, Hparam, Preset, PretrainConfig, PretrainPreset, Source,
        hparam::{self, OVERRIDES},
    },
    device::ByteSize,
    eval::json_file::json_text,
};

/// List the hyper-parameters and presets, with their meanings
///
/// Given a preset, a model or values, shows the settings that a run would have instead, for the task squad
/// unless task_names says otherwise: some defaults depend on the model's size and the tasks. Names in
/// braces, such as {data_dir}, are filled in from the run.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra hparams batch
  electra hparams --preset large-8gb --set train_batch_size=16
  electra hparams --data-dir data --model-name electra_large rate")]
pub struct HparamsArgs {
    /// List only keys that contain this text
    pub part: Option<String>,
    /// List the hyper-parameters of `electra pretrain`
    #[arg(long, conflicts_with_all = ["preset", "data_dir", "hparams", "sets"])]
    pub pretrain: bool,
    /// Show the settings of a run with this preset
    #[arg(long, value_name = "NAME", value_parser = parse_preset())]
    pub preset: Option<Preset>,
    /// Show the settings of a run with this data folder
    #[arg(long, value_name = "DIR", requires = "model_name")]
    pub data_dir: Option<PathBuf>,
    /// Show the settings of a run that starts from this pre-trained model in DIR/models
    #[arg(long, value_name = "NAME", requires = "data_dir")]
    pub model_name: Option<String>,
    #[command(flatten)]
    pub given: GivenArgs,
}

impl HparamsArgs {
    fn is_about_a_run(&self) -> bool {
        self.preset.is_some() || self.data_dir.is_some() || !self.given.is_empty()
    }

    /// The configuration of the run; placeholders stand for folders that are not given.
    fn resolve(&self) -> anyhow::Result<Config> {
        let mut given = self.preset.map(Preset::hparams).unwrap_or_default();
        given.extend(self.given.read(None)?);
        given
            .entry("task_names")
            .or_insert_with(|| json!(["squad"]));
        let (Some(data_dir), Some(model_name)) = (&self.data_dir, &self.model_name) else {
            let resolved = Draft::new(Path::new("DIR"), "NAME", &given)?.finish(None)?;
            return Ok(resolved.config);
        };
        let draft = Draft::new(data_dir, model_name, &given)?;
        Ok(run_model::described(&draft)?.0.config)
    }
}

/// Prints the list.
///
/// # Errors
/// If no key contains the requested text, or writing to `out` fails.
pub fn run(args: &HparamsArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let part = args.part.as_deref().unwrap_or("");
    let rows = match args.pretrain {
        false => hparam::list(),
        true => PretrainConfig::list(),
    };
    let rows: Vec<Hparam> = rows
        .into_iter()
        .filter(|row| row.key.contains(part))
        .collect();
    if rows.is_empty() {
        bail!("no hyper-parameter has {part:?} in its name; electra hparams lists them all");
    }
    if args.is_about_a_run() {
        return write_run(args, &rows, global, out);
    }
    let presets: Vec<ShownPreset> = match (part.is_empty(), args.pretrain) {
        (false, _) => Vec::new(),
        (true, false) => Preset::ALL.iter().copied().map(ShownPreset::from).collect(),
        (true, true) => {
            let all = PretrainPreset::ALL.iter().copied();
            all.map(ShownPreset::from).collect()
        }
    };
    if global.json {
        return Ok(writeln!(out, "{:#}", as_json(&rows, &presets))?);
    }
    for row in &rows {
        let source = source(row.source);
        writeln!(out, "{} = {}", row.key, row.default)?;
        writeln!(out, "    {}", row.meaning)?;
        let decides = decides(row.decides);
        writeln!(
            out,
            "    expected: {}; decides: {decides}; from: {source}",
            row.expected
        )?;
    }
    for preset in presets {
        let ShownPreset { name, meaning, .. } = preset;
        // With spaces, where a terminal can break lines.
        let hparams = json_text(&json!(preset.hparams));
        let hparams = String::from_utf8_lossy(&hparams);
        writeln!(out, "\n--preset {name}: {meaning}\n    {hparams}")?;
        if let Some(bytes) = preset.memory_budget {
            writeln!(out, "    --memory-budget {}", ByteSize(bytes))?;
        }
    }
    Ok(())
}

/// Prints the settings of a run, each with the default if that differs.
fn write_run(
    args: &HparamsArgs,
    rows: &[Hparam],
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let config = args.resolve()?;
    let mut values = config.to_map();
    for (key, value) in config.model_hparam_overrides.to_map() {
        values.insert(format!("{OVERRIDES}.{key}"), value);
    }
    let rows: Vec<&Hparam> = rows
        .iter()
        .filter(|row| row.source != Source::Tpu && row.key != OVERRIDES)
        .collect();
    if global.json {
        let chosen = rows.iter().filter_map(|row| {
            let value = values.get(&row.key)?;
            Some((row.key.clone(), value.clone()))
        });
        let chosen: serde_json::Map<_, _> = chosen.collect();
        let run = json!({"resolved": chosen, "model": config.encoder()});
        return Ok(writeln!(out, "{run:#}")?);
    }
    for row in rows {
        let value = values.get(&row.key).unwrap_or(&row.default);
        // A default in braces is resolved from the run's own folders.
        let default = match row.default.as_str() {
            Some(template) if template.contains('{') => String::new(),
            _ if *value == row.default => String::new(),
            _ => format!("    (default: {})", row.default),
        };
        writeln!(out, "{} = {value}{default}", row.key)?;
    }
    if let Some(bytes) = args.preset.and_then(Preset::memory_budget) {
        writeln!(out, "--memory-budget {}", ByteSize(bytes))?;
    }
    Ok(())
}

/// A preset of either command.
struct ShownPreset {
    name: &'static str,
    meaning: &'static str,
    hparams: Map<String, Value>,
    memory_budget: Option<u64>,
}

impl From<Preset> for ShownPreset {
    fn from(preset: Preset) -> Self {
        Self {
            name: preset.word(),
            meaning: preset.meaning(),
            hparams: preset.hparams(),
            memory_budget: preset.memory_budget(),
        }
    }
}

impl From<PretrainPreset> for ShownPreset {
    fn from(preset: PretrainPreset) -> Self {
        Self {
            name: preset.word(),
            meaning: preset.meaning(),
            hparams: preset.hparams(),
            memory_budget: None,
        }
    }
}

fn as_json(rows: &[Hparam], presets: &[ShownPreset]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        json!({
            "key": row.key, "default": row.default, "meaning": row.meaning,
            "expected": row.expected, "decides": decides(row.decides),
            "source": source(row.source),
        })
    });
    let presets = presets.iter().map(|preset| {
        json!({
            "name": preset.name, "meaning": preset.meaning, "hparams": preset.hparams,
            "memory_budget": preset.memory_budget,
        })
    });
    json!({"hparams": rows.collect::<Vec<_>>(), "presets": presets.collect::<Vec<_>>()})
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Reference => "Google's code",
        Source::NoEffect => "Google's code; changes nothing here",
        Source::Tpu => "Google's code; a TPU setting, ignored with a warning",
        Source::Engine => "electra",
    }
}

fn decides(decides: Decides) -> &'static str {
    match decides {
        Decides::Training => "training",
        Decides::Model => "the model",
        Decides::BestWeights => "which weights become the model",
        Decides::Evaluation => "evaluation",
        Decides::Place => "a place",
        Decides::Conduct => "how a run is conducted",
    }
}
