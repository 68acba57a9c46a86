//! What the user types: global flags and the list of commands.
//!
//! One file a command, without logic of its own; what several commands share stands in
//! [`compute`] (the device) and [`hyper_parameters`] (the run). `main` parses, calls [`run`] and
//! turns an error into one line and an exit code.

use std::{
    io::{ErrorKind, Write},
    path::Path,
};

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::{
    durable_file::is_standard_output,
    progress::{Output, Progress},
    terminal,
};

pub mod ask;
mod asked;
pub mod bench;
pub mod calibrate;
mod command_list;
pub mod completions;
pub mod compute;
pub mod convert;
pub mod data;
pub mod devices;
pub mod evaluate;
mod excerpt;
pub mod features;
pub mod finetune;
pub mod hparams;
pub mod hyper_parameters;
pub mod logging;
pub mod man;
mod model;
mod next_steps;
pub mod predict;
pub mod quickstart;
pub mod report;
mod run_model;
pub mod runtime_folder;
pub mod score;
#[cfg(feature = "server")]
pub mod serve;
pub mod standard_output;
pub mod stop;
mod suggested;
pub mod usage;
pub mod usage_hint;

/// Exit code of wrong use or bad data.
pub const WRONG_USE: u8 = 2;
/// Exit code of a device or memory that cannot be had.
pub const NO_DEVICE: u8 = 3;

/// Fine-tunes ELECTRA for question answering on any GPU that wgpu reaches, and on the CPU.
#[derive(Debug, Parser)]
#[command(
    name = "electra",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true,
    help_template = command_list::help_template(),
    after_help = "\
Exit codes: 0 done, 2 wrong use or bad data, 3 device or memory, 130 ended by
Ctrl-C, 143 ended by SIGTERM or SIGHUP.

Examples:
  electra quickstart
  electra devices
  electra finetune --help"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more; -vv includes library logs
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print figures as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print help (-h: a summary)
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

impl GlobalArgs {
    /// What is told on standard error while a command works.
    fn progress(&self) -> Progress {
        Progress::new(match (self.quiet, self.json) {
            (true, _) => Output::Quiet,
            (false, true) => Output::Json,
            (false, false) => Output::Human,
        })
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Quickstart(quickstart::QuickstartArgs),
    Finetune(finetune::FinetuneArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Ask(ask::AskArgs),
    Calibrate(calibrate::CalibrateArgs),
    #[cfg(feature = "server")]
    Serve(serve::ServeArgs),
    Score(score::ScoreArgs),
    Report(report::ReportArgs),
    Convert(convert::ConvertArgs),
    Inspect(convert::InspectArgs),
    Verify(convert::VerifyArgs),
    Export(convert::ExportArgs),
    Features(features::FeaturesArgs),
    Data(data::DataArgs),
    Devices(devices::DevicesArgs),
    Bench(bench::BenchArgs),
    Hparams(hparams::HparamsArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Whether graphics drivers are asked.
    pub fn uses_device(&self) -> bool {
        !matches!(
            self,
            Command::Score(_)
                | Command::Report(_)
                | Command::Convert(_)
                | Command::Inspect(_)
                | Command::Verify(_)
                | Command::Export(_)
                | Command::Features(_)
                | Command::Data(_)
                | Command::Hparams(_)
                | Command::Completions(_)
                | Command::Man(_)
        )
    }
}

/// Runs the command and writes its results to `out`.
///
/// # Errors
/// Whatever stops the command; [`exit_code`] tells what it means.
pub fn run(cli: &Cli, out: &mut dyn Write) -> anyhow::Result<()> {
    stop::listen();
    match &cli.command {
        Command::Quickstart(args) => quickstart::run(args, &cli.global, out),
        Command::Finetune(args) => finetune::run(args, &cli.global, out),
        Command::Evaluate(args) => evaluate::run(args, &cli.global, out),
        Command::Predict(args) => predict::run(args, &cli.global, out),
        Command::Ask(args) => ask::run(args, &cli.global, out),
        Command::Calibrate(args) => calibrate::run(args, &cli.global, out),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::run(args, &cli.global, out),
        Command::Score(args) => score::run(args, &cli.global, out),
        Command::Report(args) => report::run(args, &cli.global, out),
        Command::Convert(args) => convert::convert(args, &cli.global, out),
        Command::Inspect(args) => convert::inspect(args, &cli.global, out),
        Command::Verify(args) => convert::verify(args, &cli.global, out),
        Command::Export(args) => convert::export(args, &cli.global, out),
        Command::Features(args) => features::run(args, &cli.global, out),
        Command::Data(args) => data::run(args, &cli.global, out),
        Command::Devices(args) => devices::run(args, &cli.global, out),
        Command::Bench(args) => bench::run(args, &cli.global, out),
        Command::Hparams(args) => hparams::run(args, &cli.global, out),
        Command::Completions(args) => completions::run(args, out),
        Command::Man(args) => man::run(args, out),
    }?;
    Ok(out.flush()?)
}

/// Prints what is said about a file: on standard output, or on standard error if the file itself
/// goes to standard output.
fn print_beside(
    file: &Path,
    out: &mut dyn Write,
    print: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if !is_standard_output(file) {
        return print(out);
    }
    let mut text = Vec::new();
    print(&mut text)?;
    terminal::say_lines(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}

/// The same of what programs read: an object on standard output, or the event `result` on standard
/// error.
fn print_json_beside(
    file: &Path,
    told: serde_json::Value,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match is_standard_output(file) {
        true => terminal::event("result", told),
        false => writeln!(out, "{told}")?,
    }
    Ok(())
}

/// The exit code that an error stands for: 130 or 143 if the user ended the run, 0 if whoever reads
/// the results has gone away, 3 for a device, 2 for all else.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if was_stopped(error) {
        return stop::exit_code();
    }
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == ErrorKind::BrokenPipe
        {
            return 0;
        }
        if cause.is::<crate::device::Error>() || is_device_failure(cause) {
            return NO_DEVICE;
        }
    }
    WRONG_USE
}

/// Whether the user ended the run, which has said so and is no error.
pub fn was_stopped(error: &anyhow::Error) -> bool {
    use crate::{finetune, quickstart};
    let finetune = match error.downcast_ref::<quickstart::Error>() {
        Some(quickstart::Error::Finetune(error)) => Some(error),
        _ => error.downcast_ref::<finetune::Error>(),
    };
    finetune.is_some_and(finetune::Error::was_stopped)
}

/// Whether a device failed while a model was trained or asked.
fn is_device_failure(cause: &(dyn std::error::Error + 'static)) -> bool {
    use crate::{
        bench, fine_tuned, finetune, quickstart,
        tasks::{self, qa::predict},
    };
    let read = |error: &predict::Error| matches!(error, predict::Error::Read(_));
    let trained = |error: &finetune::Error| match error {
        finetune::Error::Train(error) => error.is_device_failure(),
        finetune::Error::Memory(_) => true,
        finetune::Error::Task(tasks::Error::Predict(error)) => read(error),
        _ => false,
    };
    if let Some(error) = cause.downcast_ref::<finetune::Error>() {
        return trained(error);
    }
    match cause.downcast_ref::<quickstart::Error>() {
        Some(quickstart::Error::Device(_)) => return true,
        Some(quickstart::Error::Finetune(error)) => return trained(error),
        _ => {}
    }
    if let Some(bench::Error::Device { .. } | bench::Error::Read(_)) = cause.downcast_ref() {
        return true;
    }
    match cause.downcast_ref::<fine_tuned::Error>() {
        Some(fine_tuned::Error::Device(_)) => true,
        Some(fine_tuned::Error::Predict(error)) => read(error),
        _ => false,
    }
}

/// Tells what stopped the command: a line, or an event for programs. The exit code stands even if
/// nobody can read it.
pub fn tell_error(error: &anyhow::Error, code: u8, global: &GlobalArgs) {
    let text = one_line(error);
    if global.json {
        terminal::event("error", serde_json::json!({"text": text, "code": code}));
    } else {
        terminal::say(&format!("error: {text}"));
    }
}

/// An error and its causes in one line. A cause that a message has told already is not repeated.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use clap::CommandFactory;

    use super::*;
    use crate::{device, finetune, model::record::WriteError, quickstart, train};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_become_exit_codes() {
        let device = device::Error::NotFound {
            request: device::DeviceRequest::Gpu,
            found: "nothing".to_owned(),
            advice: "give --device cpu",
        };
        let error = anyhow::Error::from(device).context("opening the device");
        assert_eq!(exit_code(&error), 3);
        assert_eq!(
            one_line(&error),
            "opening the device: --device gpu: nothing; give --device cpu"
        );
        assert_eq!(exit_code(&anyhow::anyhow!("bad data")), 2);
        let failed = |source: train::run::Error| finetune::Error::Train(source);
        let lost = || WriteError::Device {
            file: "m".into(),
            source: device::DeviceError::new("lost"),
        };
        let full = WriteError::File {
            file: "m".into(),
            reason: "no space".to_owned(),
        };
        let saving = train::checkpoint::Error::from(lost());
        assert_eq!(exit_code(&failed(saving.into()).into()), 3);
        assert_eq!(exit_code(&failed(full.into()).into()), 2);
        let quickstart = quickstart::Error::from(failed(lost().into()));
        assert_eq!(exit_code(&quickstart.into()), 3);
        #[cfg(feature = "server")]
        {
            let reset = device::Error::Failed {
                reason: "reset".to_owned(),
            };
            let served = crate::serve::Error::Model {
                source: crate::fine_tuned::Error::Device(reset),
            };
            assert_eq!(exit_code(&served.into()), 3);
        }
        assert_eq!(exit_code(&io::Error::from(ErrorKind::BrokenPipe).into()), 0);
        assert_eq!(exit_code(&io::Error::from(ErrorKind::NotFound).into()), 2);
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = || anyhow::anyhow!("no space left");
        let twice = cause().context("f: writing failed: no space left; free space");
        assert_eq!(
            one_line(&twice),
            "f: writing failed: no space left; free space"
        );
        assert_eq!(one_line(&cause().context("f")), "f: no space left");
    }

    #[test]
    fn errors_of_several_lines_become_one() {
        assert_eq!(one_line(&anyhow::anyhow!("a\n\n  b\nc")), "a b c");
    }
}
