//! The program `checkpoints-convert`: parses the arguments, runs one command, and turns an error
//! into one line and an exit code: 0 for success, 2 for wrong usage or wrong data.
#![forbid(unsafe_code)]

use std::error::Error as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use checkpoints_convert::command::{
    ConvertArgs, Error, ExportArgs, InspectArgs, Manner, VerifyArgs, one_line,
};
use checkpoints_convert::printable;
use clap::{Parser, Subcommand};
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
        #[command(flatten)]
        arguments: ConvertArgs,
        /// Print the report, the same as conversion.json
        #[arg(long)]
        json: bool,
    },
    /// Show what a checkpoint or a record holds and where each variable would go
    ///
    /// On a terminal a summary, elsewhere (or with --all) a row for each variable. Reads names and
    /// shapes only: values and their checksums are not touched.
    #[command(after_help = "Example:\n  checkpoints-convert inspect electra_large.zip")]
    Inspect {
        #[command(flatten)]
        arguments: InspectArgs,
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
        #[command(flatten)]
        arguments: VerifyArgs,
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
        #[command(flatten)]
        arguments: ExportArgs,
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
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has closed the pipe, as `| head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the message is lost; the exit code still reports the
            // failure.
            let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let out = &mut io::stdout().lock();
    let manner = |json| match (json, arguments.quiet) {
        (true, _) => Manner::Json,
        (false, true) => Manner::Quiet,
        (false, false) => Manner::Words,
    };
    match &arguments.command {
        Command::Convert { arguments, json } => arguments.run(manner(*json), out),
        Command::Inspect {
            arguments: inspect,
            json,
        } => {
            // Programs that read this output rely on a row for each variable.
            let all = arguments.verbose > 0 || !io::stdout().is_terminal();
            inspect.run(all, manner(*json), out)
        }
        Command::Verify { arguments, json } => arguments.run(manner(*json), out),
        Command::Export { arguments, json } => arguments.run(manner(*json), out),
    }?;
    Ok(out.flush()?)
}

fn is_broken_pipe(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes log records as lines on standard error, so that standard output holds only results.
struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            // If standard error is closed, there is nowhere to report it.
            let level = match record.level() {
                Level::Warn => "warning".into(),
                level => level.as_str().to_lowercase(),
            };
            let line = record.args().to_string();
            let _ = writeln!(io::stderr(), "{level}: {}", printable(&line));
        }
    }

    fn flush(&self) {}
}
