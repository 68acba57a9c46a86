//! `electra devices`: lists all adapters, and says which device `auto` picks and why.

use std::io::Write;

use anyhow::Context;
use burn::tensor::Device;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{GlobalArgs, compute::parse_device, ranked::device_of};
use crate::{
    bench::agreement::{self, Agreement, Computed},
    config::Precision,
    device::{self, AdapterInfo, ByteSize, Chosen, DeviceRequest, choose, list},
    kernels::{
        autotune::{AutotuneCache, AutotuneResult, ModelShape},
        formats::Element,
    },
    model::arithmetic::Arithmetic,
    ranks::Ranks,
};

/// The shape for which kernels are tuned: ELECTRA-Large on a batch of 32 at SQuAD's lengths.
const SHAPE: ModelShape = ModelShape {
    tokens: 4_096,
    hidden: 1_024,
    inner: 4_096,
    heads: 16,
};

/// List the graphics adapters and the device that auto picks
///
/// Also says why that device is picked and, on a GPU, measures which kernels for matrix products and
/// attention are fastest; with --device, the same for that device. The results are kept for later runs, and
/// so is a list of kernels that crashed the driver, which are not tried again. --forget clears both.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The numbers are those of --device gpu:N. A card is listed once for each API that
can use it.

Example:
  electra devices --json")]
pub struct DevicesArgs {
    /// Device to try as well: auto, cpu, gpu, gpu:N, vulkan, vulkan:N, metal or dx12
    #[arg(
        long,
        env = "ELECTRA_DEVICE",
        value_name = "DEVICE",
        default_value = "auto",
        value_parser = parse_device
    )]
    pub device: DeviceRequest,
    /// Clear the stored measurements and crashes of all devices, and exit
    #[arg(long)]
    pub forget: bool,
    /// Compute training steps of a small model on the device and on the CPU, compare them, and exit
    ///
    /// The steps run most kernels of fine-tuning. The exit code is 3 if the device computes something else than
    /// the CPU.
    #[arg(long, conflicts_with = "forget")]
    pub check: bool,
}

/// Prints the list.
///
/// # Errors
/// If the requested device is not available, or writing to `out` fails.
pub(super) fn run(
    args: &DevicesArgs,
    global: &GlobalArgs,
    ranks: &Ranks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if args.forget {
        return match ranks.is_first() {
            true => forget(global, out),
            false => Ok(()),
        };
    }
    if args.check {
        return check(&choose(device_of(args.device, ranks))?, global, out);
    }
    if !ranks.is_alone() {
        return write_ranks(args.device, global, ranks, out);
    }
    let adapters = list();
    let auto = choose(DeviceRequest::Auto)?;
    let asked = match args.device {
        DeviceRequest::Auto => None,
        request => Some((request, choose(request)?)),
    };
    if global.json {
        let mut described = json!({"adapters": adapters, "auto": as_json(&auto)?});
        if let Some((request, chosen)) = &asked {
            described[request.to_string()] = as_json(chosen)?;
        }
        return Ok(writeln!(out, "{described:#}")?);
    }
    if adapters.is_empty() {
        writeln!(out, "no graphics adapter found")?;
    }
    for adapter in &adapters {
        write_adapter(adapter, out)?;
    }
    writeln!(out, "auto takes {}", auto.line())?;
    write_choices(&auto, out)?;
    if let Some((request, chosen)) = &asked {
        writeln!(out, "{request} takes {}", chosen.line())?;
        write_choices(chosen, out)?;
    }
    Ok(())
}

/// Writes what each rank of an MPI program takes; the adapters of one machine are not those of another.
fn write_ranks(
    request: DeviceRequest,
    global: &GlobalArgs,
    ranks: &Ranks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let chosen = choose(device_of(request, ranks))?;
    let lines = ranks.all(chosen.line());
    let machines = ranks.all(ranks.machine());
    if !ranks.is_first() {
        return Ok(());
    }
    let ranks = lines.iter().zip(machines).enumerate();
    if global.json {
        let described = ranks.map(
            |(rank, (line, machine))| json!({"rank": rank, "machine": machine, "device": line}),
        );
        let described: Vec<Value> = described.collect();
        return Ok(writeln!(out, "{:#}", json!({"ranks": described}))?);
    }
    for (rank, (line, machine)) in ranks {
        writeln!(out, "rank {rank} on {machine} takes {line}")?;
    }
    Ok(())
}

fn forget(global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let cache = AutotuneCache::of_user();
    let file = cache
        .forget()
        .context("the stored measurements cannot be removed")?;
    let said = match file {
        Some(file) => format!("the stored measurements were removed ({})", file.display()),
        None => "there are no stored measurements".to_owned(),
    };
    match global.json {
        true => writeln!(out, "{}", json!({"forgotten": file}))?,
        false => writeln!(out, "{said}")?,
    }
    Ok(())
}

/// Compares a device's training steps with the CPU's, in each format that it supports.
///
/// # Errors
/// If one differs, or the device fails.
fn check(chosen: &Chosen, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if chosen.adapter.is_none() {
        anyhow::bail!(
            "--check: expected a GPU, found {}, whose steps others are compared with; give --device gpu",
            chosen.short()
        );
    }
    let expected = Computed::on(&Device::flex(), Arithmetic::default())?;
    let full = (Precision::F32, Element::F32, "--device cpu");
    let half = (
        Precision::F16,
        Element::F16,
        "--precision f32 or --device cpu",
    );
    let formats = [full].into_iter().chain(chosen.f16.then_some(half));
    let (mut told, mut wrong) = (Map::new(), None::<anyhow::Error>);
    for (precision, layers, advice) in formats {
        let word = precision.word();
        let found = match compared(chosen, precision, &expected) {
            Ok(found) => found,
            // The other format is checked nevertheless.
            Err(error) => {
                told.insert(word.to_owned(), json!({"error": error.to_string()}));
                wrong.get_or_insert(error);
                continue;
            }
        };
        let is_right = found.is_right(layers);
        told.insert(word.to_owned(), json!({"apart": found, "right": is_right}));
        if !global.json {
            let said = if is_right { "as the CPU does" } else { "WRONG" };
            writeln!(out, "{} in {word}: {said}: {found}", chosen.name)?;
        }
        if !is_right {
            wrong.get_or_insert_with(|| {
                let wrong = device::Error::Disagrees {
                    name: chosen.name.clone(),
                    format: word,
                    found: found.to_string(),
                    advice,
                };
                wrong.into()
            });
        }
    }
    if global.json {
        writeln!(out, "{:#}", json!({"device": chosen.name, "check": told}))?;
    }
    wrong.map_or(Ok(()), Err)
}

/// Computes the steps on the device, and compares them with the CPU's.
fn compared(
    chosen: &Chosen,
    precision: Precision,
    expected: &Computed,
) -> anyhow::Result<Agreement> {
    let (encoder, cache) = (agreement::encoder(), AutotuneCache::of_user());
    let arithmetic = Arithmetic::on(chosen, precision, &encoder, agreement::TOKENS, &cache)?;
    Ok(Computed::on(&chosen.device, arithmetic)?.agreement(expected))
}

/// Times each kernel variant that the device supports, per operand format, and stores the choice for runs of
/// this model.
fn choices(chosen: &Chosen) -> Result<Vec<(Element, AutotuneResult)>, device::Error> {
    let Some(adapter) = &chosen.adapter else {
        return Ok(Vec::new());
    };
    let halves = chosen.f16.then_some(Element::F16);
    [Element::F32]
        .into_iter()
        .chain(halves)
        .map(|operand| {
            let cache = AutotuneCache::of_user();
            let choice = cache.choose_anew(&chosen.device, adapter, operand, SHAPE);
            Ok((operand, choice.map_err(|error| error.on(&chosen.name))?))
        })
        .collect()
}

fn write_choices(chosen: &Chosen, out: &mut dyn Write) -> anyhow::Result<()> {
    for (operand, choice) in choices(chosen)? {
        if let Some(conversion) = choice.conversion {
            let fault = conversion.fault();
            let said = fault.unwrap_or("f32 to f16 as IEEE 754 defines it");
            writeln!(out, "  {said}")?;
        }
        writeln!(out, "  kernels in {}, fastest first:", operand.name())?;
        for timings in choice.timings.chunk_by(|a, b| a.operation == b.operation) {
            writeln!(out, "    {}", timings[0].operation)?;
            for timing in timings {
                writeln!(out, "      {:<16} {}", timing.speed(), timing.config)?;
            }
        }
    }
    Ok(())
}

fn as_json(chosen: &Chosen) -> anyhow::Result<serde_json::Value> {
    let choices = choices(chosen)?;
    let conversion = choices.iter().find_map(|(_, choice)| choice.conversion);
    let timings: Map<String, Value> = choices
        .into_iter()
        .map(|(operand, choice)| (operand.name().to_owned(), json!(choice.timings)))
        .collect();
    Ok(json!({
        "index": chosen.adapter.as_ref().map(|adapter| adapter.index),
        "name": chosen.name,
        "backend": chosen.backend,
        "driver": chosen.driver,
        "memory": chosen.memory,
        "f16": chosen.f16,
        "bf16": Arithmetic::offer(chosen, Precision::Auto).is_some(),
        "f16_conversion": conversion,
        "reason": chosen.reason,
        "kernels": timings,
    }))
}

fn write_adapter(adapter: &AdapterInfo, out: &mut dyn Write) -> std::io::Result<()> {
    let bytes = |size| ByteSize(size).to_string();
    writeln!(out, "gpu:{}  {}", adapter.index, adapter.name)?;
    writeln!(out, "  type        {} on {}", adapter.kind, adapter.api)?;
    writeln!(out, "  driver      {}", adapter.driver)?;
    let memory = adapter.memory.map_or("unknown".to_owned(), bytes);
    let shared = if adapter.is_software() {
        ", the system's"
    } else {
        ""
    };
    writeln!(out, "  memory      {memory}{shared}")?;
    writeln!(
        out,
        "  limits      buffer {}, storage binding {}, workgroup {} invocations and {}",
        bytes(adapter.max_buffer),
        bytes(adapter.max_storage_binding),
        adapter.max_workgroup_invocations,
        bytes(adapter.max_workgroup_storage.into()),
    )?;
    writeln!(out, "  precisions  {}", adapter.precisions.join(", "))?;
    let subgroups = match adapter.subgroup {
        Some((min, max)) if min == max => format!("of {min}"),
        Some((min, max)) => format!("of {min} to {max}"),
        None => "none".to_owned(),
    };
    writeln!(out, "  subgroups   {subgroups}")?;
    let matrices: Vec<_> = adapter
        .cooperative_matrices
        .iter()
        .map(ToString::to_string)
        .collect();
    let matrices = if matrices.is_empty() {
        "none".to_owned()
    } else {
        matrices.join(", ")
    };
    writeln!(out, "  matrices    {matrices}")
}
