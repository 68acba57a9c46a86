//! Prints every variable of a checkpoint, or every tensor of a record, in its own row.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Inspection, RecordInspection, printable};

pub(super) fn checkpoint(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    let names: Vec<Cow<str>> = inspection
        .variables
        .iter()
        .map(|v| printable(&v.name))
        .collect();
    let shapes: Vec<String> = inspection
        .variables
        .iter()
        .map(|v| shape(&v.shape))
        .collect();
    let name = width(names.iter().map(|name| &**name)).max(8);
    let sizes = width(shapes.iter().map(String::as_str)).max(6);
    writeln!(
        out,
        "{:name$}  {:sizes$}  {:8}  {:>11}  goes to",
        "variable", "shape", "type", "bytes"
    )?;
    for ((row, shown), shape) in inspection.variables.iter().zip(&names).zip(&shapes) {
        let to = match (&row.parameter, &row.ignored) {
            (Some(parameter), _) => parameter.clone(),
            (None, why) => format!("- ({})", why.as_deref().unwrap_or_default()),
        };
        writeln!(
            out,
            "{shown:name$}  {shape:sizes$}  {:8}  {:>11}  {}",
            row.dtype,
            row.size,
            printable(&to)
        )?;
    }
    let totals = &inspection.totals;
    writeln!(
        out,
        "{} variables, {} bytes in {} data file(s); {} used ({} values), {} left out",
        totals.variables,
        totals.bytes,
        inspection.source.data_files.len(),
        totals.used,
        totals.values,
        totals.ignored
    )?;
    for missing in &inspection.unfilled {
        writeln!(out, "nothing fills {}", printable(missing))?;
    }
    Ok(())
}

pub(super) fn record(out: &mut dyn Write, inspection: &RecordInspection) -> io::Result<()> {
    let names: Vec<Cow<str>> = inspection
        .tensors
        .iter()
        .map(|t| printable(&t.name))
        .collect();
    let shapes: Vec<String> = inspection.tensors.iter().map(|t| shape(&t.shape)).collect();
    let name = width(names.iter().map(|name| &**name)).max(9);
    let sizes = width(shapes.iter().map(String::as_str)).max(5);
    writeln!(
        out,
        "{:name$}  {:sizes$}  {:8}  {:>11}",
        "parameter", "shape", "type", "bytes"
    )?;
    for ((row, shown), shape) in inspection.tensors.iter().zip(&names).zip(&shapes) {
        let note = match row.foreign {
            true => "  not in config.json",
            false => "",
        };
        writeln!(
            out,
            "{shown:name$}  {shape:sizes$}  {:8}  {:>11}{note}",
            row.dtype, row.size
        )?;
    }
    writeln!(
        out,
        "{} tensors, {} values, {} bytes",
        inspection.tensors.len(),
        inspection.values,
        inspection.bytes
    )?;
    for missing in &inspection.missing {
        writeln!(out, "missing: {}", printable(missing))?;
    }
    Ok(())
}

/// Formats the shape of a tensor.
fn shape(sizes: &[u64]) -> String {
    match sizes {
        [] => "scalar".to_owned(),
        sizes => {
            let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
            sizes.join("×")
        }
    }
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
