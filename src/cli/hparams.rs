//! `electra hparams`: every hyper-parameter with default, meaning and source.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::GlobalArgs;
use crate::{
    config::{Decides, Hparam, Preset, Source, hparam},
    device::ByteSize,
};

/// List the hyper-parameters with their defaults and meanings, and the presets
///
/// Defaults in braces follow from the run: its folder, model and tasks. ELECTRA-Large and
/// question-answering tasks have defaults of their own, which a run prints and saves.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra hparams batch")]
pub struct HparamsArgs {
    /// Only keys with this in their name
    pub part: Option<String>,
}

/// Writes the list.
///
/// # Errors
/// When no key has the part that was asked for, or `out` takes no more.
pub fn run(args: &HparamsArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let part = args.part.as_deref().unwrap_or("");
    let rows: Vec<Hparam> = hparam::list()
        .into_iter()
        .filter(|row| row.key.contains(part))
        .collect();
    if rows.is_empty() {
        bail!("no hyper-parameter has {part:?} in its name; electra hparams lists them all");
    }
    let presets = if part.is_empty() { Preset::ALL } else { &[] };
    if global.json {
        return Ok(writeln!(out, "{:#}", as_json(&rows, presets))?);
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
        let (meaning, hparams) = (preset.meaning(), json!(preset.hparams()));
        writeln!(out, "\n--preset {preset}: {meaning}\n    {hparams}")?;
        if let Some(bytes) = preset.memory_budget() {
            writeln!(out, "    --memory-budget {}", ByteSize(bytes))?;
        }
    }
    Ok(())
}

fn as_json(rows: &[Hparam], presets: &[Preset]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        json!({
            "key": row.key, "default": row.default, "meaning": row.meaning,
            "expected": row.expected, "decides": decides(row.decides),
            "source": source(row.source),
        })
    });
    let presets = presets.iter().map(|preset| {
        json!({
            "name": preset.word(), "meaning": preset.meaning(), "hparams": preset.hparams(),
            "memory_budget": preset.memory_budget(),
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
        Decides::Evaluation => "evaluation",
        Decides::Place => "a place",
        Decides::Conduct => "how a run is conducted",
    }
}
