//! The commands `convert`, `inspect`, `verify` and `export`, shared by both programs. They take
//! parsed arguments, write results to `out` and progress to standard error. All text that came out
//! of a file passes through [`printable`](crate::printable).

mod bar;
mod summary;
mod table;

use std::error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::counted::counted;
use crate::{
    Export, Format, GENERATOR_FILE, Inspection, Kept, Network, RecordInspection, Report,
    Verification, convert, export_head, export_network, inspect, inspect_record, is_checkpoint,
    is_record, printable, printable_json, verify, write_pretraining,
};

/// What `convert` is given.
#[derive(Clone, Debug, Args)]
pub struct ConvertArgs {
    /// Zip archive, folder, checkpoint prefix or Hugging Face folder
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Output folder; created if it does not exist
    pub out: PathBuf,
    /// Also write generator.bpk: the generator and the heads of pre-training
    #[arg(long)]
    pub with_generator: bool,
}

/// What `inspect` is given.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// Zip archive, folder, checkpoint prefix, Hugging Face folder or converted record
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// List every variable with its shape and where it goes, as -v does
    #[arg(long)]
    pub all: bool,
}

/// What `verify` is given.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Zip archive, folder, checkpoint prefix or Hugging Face folder
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Folder of the converted record
    pub out: PathBuf,
}

/// What `export` is given.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Format to export to
    #[arg(long, value_enum)]
    pub format: Format,
    /// Task whose head to export, if there are several [default: the only exportable one; all for TensorFlow]
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Network of a pre-trained model to export for transformers [default: the discriminator]
    #[arg(long, value_enum, conflicts_with = "task")]
    pub network: Option<Network>,
    /// Folder of a converted, pre-trained or fine-tuned record
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Output folder; created if it does not exist
    pub out: PathBuf,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As text.
    Words,
    /// As JSON.
    Json,
    /// Not at all: only errors.
    Quiet,
}

/// A command that failed, or whose result is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Conversion(#[from] crate::Error),
    #[error("cannot write the results: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    NotConvertible(String),
    #[error("{folder}: differs from {input} in {}; convert the checkpoint again", counted(*count, "place"))]
    Differs {
        folder: String,
        input: String,
        count: usize,
    },
}

impl ConvertArgs {
    /// Converts, and prints what was used.
    ///
    /// # Errors
    /// As for [`convert`].
    pub fn run(&self, manner: Manner, out: &mut dyn Write) -> Result<(), Error> {
        let report = bar::with_bar(manner, |progress| convert(&self.input, &self.out, progress))?;
        if self.with_generator {
            let file = self.out.join(GENERATOR_FILE);
            if write_pretraining(&self.input, Kept::Generator, &file)? == 0 {
                // An empty record would only hide that.
                std::fs::remove_file(&file)?;
                let input = self.input.display();
                return Err(Error::NotConvertible(format!(
                    "{input}: expected a pre-training checkpoint, found neither a generator nor a \
                     pre-training head; convert it without --with-generator"
                )));
            }
        }
        match manner {
            Manner::Json => print_json(out, &report)?,
            Manner::Words => {
                print_conversion(out, &report)?;
                let folder = self.out.display().to_string();
                writeln!(out, "written to {}", printable(&folder))?;
            }
            Manner::Quiet => {}
        }
        Ok(())
    }
}

impl InspectArgs {
    /// Prints what a checkpoint or a record holds: each variable if `all` is true, otherwise a
    /// summary that fits a terminal of 80 columns.
    ///
    /// # Errors
    /// If neither is there, or if it is damaged or could not be converted or loaded.
    pub fn run(&self, all: bool, manner: Manner, out: &mut dyn Write) -> Result<(), Error> {
        let is_json = manner == Manner::Json;
        // For a checkpoint that was converted in its own folder, the checkpoint is shown, not the
        // record.
        let problem = if is_record(&self.input) && !is_checkpoint(&self.input) {
            let found = inspect_record(&self.input)?;
            match (is_json, all || self.all) {
                (true, _) => print_json(out, &found)?,
                (false, true) => table::record(out, &found)?,
                (false, false) => summary::record(out, &found)?,
            }
            found.problem
        } else {
            let found = inspect(&self.input)?;
            match (is_json, all || self.all) {
                (true, _) => print_json(out, &found)?,
                (false, true) => table::checkpoint(out, &found)?,
                (false, false) => summary::checkpoint(out, &found)?,
            }
            found.problem
        };
        match problem {
            Some(problem) => {
                out.flush()?;
                Err(Error::NotConvertible(problem))
            }
            None => Ok(()),
        }
    }
}

impl VerifyArgs {
    /// Compares, and prints what is equal and what is not.
    ///
    /// # Errors
    /// As for [`verify`], and [`Error::Differs`].
    pub fn run(&self, manner: Manner, out: &mut dyn Write) -> Result<(), Error> {
        let found = bar::with_bar(manner, |progress| verify(&self.input, &self.out, progress))?;
        match manner {
            Manner::Json => print_json(out, &found)?,
            Manner::Words => print_verification(out, &found)?,
            Manner::Quiet => {}
        }
        if found.is_equal() {
            return Ok(());
        }
        out.flush()?;
        Err(Error::Differs {
            folder: self.out.display().to_string(),
            input: self.input.display().to_string(),
            count: found.differences.len(),
        })
    }
}

impl ExportArgs {
    /// Writes the files, and prints what was left out.
    ///
    /// # Errors
    /// As for [`export_head`] and [`export_network`], and if a network is requested for TensorFlow.
    pub fn run(&self, manner: Manner, out: &mut dyn Write) -> Result<(), Error> {
        let written = bar::with_bar(manner, |progress| match (self.network, self.format) {
            (Some(_), Format::Tf) => Err(crate::Error::NetworkOfTensorflow),
            (Some(network), Format::Hf) => {
                export_network(network, &self.input, &self.out, progress)
            }
            (None, _) => {
                let task = self.task.as_deref();
                export_head(self.format, &self.input, task, &self.out, progress)
            }
        })?;
        match manner {
            Manner::Json => print_json(out, &written)?,
            Manner::Words => {
                print_export(out, &written)?;
                let folder = self.out.display().to_string();
                writeln!(out, "written to {}", printable(&folder))?;
            }
            Manner::Quiet => {}
        }
        Ok(())
    }
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    writeln!(out, "{}", printable_json(&text))
}

fn print_conversion(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let totals = &report.totals;
    let checked = report.variables.iter().any(|variable| variable.checked);
    writeln!(
        out,
        "{} of {} variables used, {} values; {} left out{}",
        totals.used,
        totals.variables,
        totals.values,
        totals.ignored,
        if checked {
            "; all checksums are correct"
        } else {
            ""
        }
    )?;
    for (task, head) in &report.config.heads {
        writeln!(out, "head: {} ({head})", printable(task))?;
    }
    Ok(())
}

fn print_export(out: &mut dyn Write, written: &Export) -> io::Result<()> {
    writeln!(
        out,
        "{} written, {} left out",
        counted(written.tensors.len(), "tensor"),
        counted(written.left_out.len(), "parameter")
    )?;
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for left_out in &written.left_out {
        let parameter = left_out.parameter.as_str();
        let known = by_reason
            .iter_mut()
            .find(|(why, _)| *why == left_out.reason);
        match known {
            Some((_, parameters)) => parameters.push(parameter),
            None => by_reason.push((left_out.reason, vec![parameter])),
        }
    }
    for (reason, parameters) in by_reason {
        // A head's tensors are listed one by one; a network has too many for a screen.
        if parameters.len() > MOST_NAMED {
            writeln!(out, "left out: {} parameters ({reason})", parameters.len())?;
            continue;
        }
        for parameter in parameters {
            writeln!(out, "left out: {} ({reason})", printable(parameter))?;
        }
    }
    Ok(())
}

fn print_verification(out: &mut dyn Write, found: &Verification) -> io::Result<()> {
    if found.checked > 0 {
        let checked = found.checked;
        write!(out, "{checked} variables read with correct checksums; ")?;
    }
    writeln!(
        out,
        "{} parameters equal bit for bit ({} values)",
        found.equal, found.values
    )?;
    for difference in &found.differences {
        writeln!(out, "{}", printable(difference))?;
    }
    Ok(())
}

/// Parameters that are left out for one reason and still named.
const MOST_NAMED: usize = 16;

/// Characters of an error's line: enough for every path and name that is somebody's own, too few for
/// a file to flood the screen.
const MAX_LINE: usize = 4000;

/// Formats an error and its causes as one line that is safe to print on a terminal. Skips a cause
/// that a message already contains.
pub fn one_line(error: &dyn error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    let line = printable(&told);
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{} … ({} bytes)", &line[..end], line.len()),
        None => line.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_and_a_line_has_an_end() {
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "cut \u{1b}[2J here");
        let error = Error::Output(cut());
        let line = one_line(&error);
        assert_eq!(line, r"cannot write the results: cut \u{1b}[2J here");
        let error = Error::NotConvertible("x".repeat(5_000_000));
        let line = one_line(&error);
        assert!(line.len() < 4100 && line.ends_with("(5000000 bytes)"));
    }
}
