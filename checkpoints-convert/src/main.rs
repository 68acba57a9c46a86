//! The program `checkpoints-convert`: parses, runs one command, and turns an error into one line
//! and an exit code: 0 done, 2 wrong use or wrong data.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use checkpoints_convert::{
    Export, Format, Inspection, Report, Verification, convert, export, inspect, verify,
};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Converts TensorFlow 1.15 and Hugging Face ELECTRA checkpoints to Burn records, and back.
///
/// IN is electra_large.zip as released, its folder, a checkpoint prefix, or the folder of a Hugging
/// Face model (config.json with model.safetensors or pytorch_model.bin).
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print nothing but errors and what --json asks for
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more about what is done; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Write model.bpk, config.json, vocab.txt and conversion.json into the folder OUT
    ///
    /// Every checksum that the checkpoint has is checked. OUT is changed only once everything is
    /// written; conversion.json says of every variable where it went, or why it was left out.
    #[command(
        after_help = "Example:\n  checkpoints-convert convert electra_large.zip models/electra_large"
    )]
    Convert {
        /// Zip archive, folder, checkpoint prefix or Hugging Face folder
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// Folder to write into; made if it does not exist
        out: PathBuf,
        /// Print the report, the same as conversion.json
        #[arg(long)]
        json: bool,
    },
    /// List the variables of a checkpoint and where each would go
    ///
    /// Reads names and shapes only: values and their checksums are not touched.
    #[command(after_help = "Example:\n  checkpoints-convert inspect electra_large.zip")]
    Inspect {
        /// Zip archive, folder, checkpoint prefix or Hugging Face folder
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Compare a converted record with its checkpoint, bit by bit
    ///
    /// Reads the whole checkpoint again, with its checksums. Exit code 2 if anything differs.
    #[command(
        after_help = "Example:\n  checkpoints-convert verify electra_large.zip models/electra_large"
    )]
    Verify {
        /// Zip archive, folder, checkpoint prefix or Hugging Face folder
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// Folder of the converted record
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a record as a model for Hugging Face's transformers, or as a TensorFlow checkpoint
    ///
    /// OUT must be new, empty, or an earlier export in the same format; export.json in it says what
    /// was written and what was left out.
    #[command(
        after_help = "Example:\n  checkpoints-convert export --format hf models/electra_large electra_large_hf"
    )]
    Export {
        /// Whose files to write
        #[arg(long, value_enum)]
        format: Format,
        /// Folder of a converted or fine-tuned record
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// Folder to write into; made if it does not exist
        out: PathBuf,
        /// Print the report, the same as export.json
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Trace,
    };
    if log::set_logger(&StandardError).is_ok() {
        log::set_max_level(level);
    }
    match run(arguments.command, arguments.quiet) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough, as `| head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command, quiet: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match command {
        Command::Convert {
            input,
            out: folder,
            json,
        } => {
            let report = with_bar(quiet, |progress| convert(&input, &folder, progress))?;
            if json {
                print_json(&mut out, &report)?;
            } else if !quiet {
                print_conversion(&mut out, &report)?;
                writeln!(out, "written to {}", folder.display())?;
            }
        }
        Command::Inspect { input, json } => {
            let inspection = inspect(&input)?;
            match json {
                true => print_json(&mut out, &inspection)?,
                false => print_inspection(&mut out, &inspection)?,
            }
            if let Some(problem) = inspection.problem {
                bail!("{problem}");
            }
        }
        Command::Export {
            format,
            input,
            out: folder,
            json,
        } => {
            let written = with_bar(quiet, |progress| export(format, &input, &folder, progress))?;
            if json {
                print_json(&mut out, &written)?;
            } else if !quiet {
                print_export(&mut out, &written)?;
                writeln!(out, "written to {}", folder.display())?;
            }
        }
        Command::Verify {
            input,
            out: folder,
            json,
        } => {
            let found = with_bar(quiet, |progress| verify(&input, &folder, progress))?;
            if json {
                print_json(&mut out, &found)?;
            } else if !quiet {
                print_verification(&mut out, &found)?;
            }
            if !found.is_equal() {
                bail!(
                    "{}: differs from {} in {} places; convert the checkpoint again",
                    folder.display(),
                    input.display(),
                    found.differences.len()
                );
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn print_json(out: &mut impl Write, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).context("cannot form JSON")?;
    Ok(writeln!(out, "{text}")?)
}

fn print_conversion(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let totals = &report.totals;
    writeln!(
        out,
        "{} of {} variables used, {} values; {} left out{}",
        totals.used,
        totals.variables,
        totals.values,
        totals.ignored,
        if report.variables.iter().any(|variable| variable.checked) {
            "; every checksum is right"
        } else {
            ""
        }
    )?;
    for task in report.config.heads.keys() {
        writeln!(out, "head: {task}")?;
    }
    Ok(())
}

fn print_export(out: &mut impl Write, written: &Export) -> io::Result<()> {
    writeln!(
        out,
        "{} tensors written, {} parameters left out",
        written.tensors.len(),
        written.left_out.len()
    )?;
    for left_out in &written.left_out {
        writeln!(
            out,
            "left out: {} ({})",
            left_out.parameter, left_out.reason
        )?;
    }
    Ok(())
}

fn print_inspection(out: &mut impl Write, inspection: &Inspection) -> io::Result<()> {
    let shape = |shape: &[u64]| match shape {
        [] => "scalar".to_owned(),
        sizes => sizes
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join("×"),
    };
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let rows = &inspection.variables;
    let name = width(&mut rows.iter().map(|row| row.name.chars().count())).max(8);
    let sizes = width(&mut rows.iter().map(|row| shape(&row.shape).chars().count())).max(6);
    writeln!(
        out,
        "{:name$}  {:sizes$}  {:8}  {:>11}  goes to",
        "variable", "shape", "type", "bytes"
    )?;
    for row in rows {
        let to = match (&row.parameter, &row.ignored) {
            (Some(parameter), _) => parameter.clone(),
            (None, why) => format!("- ({})", why.as_deref().unwrap_or_default()),
        };
        let shape = shape(&row.shape);
        writeln!(
            out,
            "{:name$}  {shape:sizes$}  {:8}  {:>11}  {to}",
            row.name, row.dtype, row.size
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
        writeln!(out, "nothing fills {missing}")?;
    }
    Ok(())
}

fn print_verification(out: &mut impl Write, found: &Verification) -> io::Result<()> {
    if found.checked > 0 {
        write!(
            out,
            "{} variables read with right checksums; ",
            found.checked
        )?;
    }
    writeln!(
        out,
        "{} parameters equal bit by bit ({} values)",
        found.equal, found.values
    )?;
    for difference in &found.differences {
        writeln!(out, "{difference}")?;
    }
    Ok(())
}

/// A bar on a terminal; elsewhere, or with --quiet, one that draws nothing.
fn progress_bar(quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

/// Shows how far `work` is, which tells bytes done and bytes in all.
fn with_bar<T>(
    quiet: bool,
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<T, checkpoints_convert::Error>,
) -> Result<T, checkpoints_convert::Error> {
    let bar = progress_bar(quiet);
    let made = work(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    Ok(made)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Log records as lines on standard error, so that standard output holds results only.
struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            // Nobody is left to tell that standard error is closed.
            let level = match record.level() {
                Level::Warn => "warning".into(),
                level => level.as_str().to_lowercase(),
            };
            let _ = writeln!(io::stderr(), "{level}: {}", record.args());
        }
    }

    fn flush(&self) {}
}
