//! The command line: global flags and the list of commands.
//!
//! Each command has one file, without logic of its own. Shared parts are in [`compute`] and
//! [`hyper_parameters`] (flags), `session` (the device and what is opened on it) and `run_model` (the model
//! that a run starts from). `main` parses, calls [`run`] and lets [`Failure`] report errors.

use std::{io::Write, path::Path};

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
pub mod compare;
pub mod completions;
pub mod compute;
pub mod convert;
pub mod data;
pub mod devices;
pub mod evaluate;
mod excerpt;
pub mod failure;
pub mod features;
pub mod finetune;
pub mod hparams;
pub mod hyper_parameters;
pub mod logging;
pub mod man;
mod model;
mod next_steps;
pub mod predict;
pub mod pretrain;
pub mod quickstart;
mod ranked;
pub mod report;
mod report_page;
mod run_model;
mod run_report;
mod run_trials;
pub mod runs;
pub mod runtime_folder;
pub mod score;
#[cfg(feature = "server")]
pub mod serve;
mod session;
mod shown_reply;
pub mod standard_output;
pub mod stop;
mod suggested;
mod sweep;
pub mod usage;
pub mod usage_hint;
pub mod vocab;
mod wide_table;

pub use failure::{Failure, NO_DEVICE, WRONG_USE, exit_code, one_line};

/// Pre-train, fine-tune, evaluate and serve ELECTRA on any GPU or on the CPU
#[derive(Debug, Parser)]
#[command(
    name = "electra",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true,
    help_template = command_list::help_template(),
    after_help = "\
Run `electra COMMAND --help` for a command's options and examples.

Exit codes: 0 success, 2 usage error or bad data, 3 device or memory failure,
130 stopped by Ctrl-C, 143 stopped by SIGTERM or SIGHUP.

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
    /// Print more details; -vv adds library logs
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print results and messages as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print help; -h prints a summary
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

impl GlobalArgs {
    /// Progress on standard error.
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
    Pretrain(pretrain::PretrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Ask(ask::AskArgs),
    Calibrate(calibrate::CalibrateArgs),
    #[cfg(feature = "server")]
    Serve(serve::ServeArgs),
    Score(score::ScoreArgs),
    Report(report::ReportArgs),
    Runs(runs::RunsArgs),
    Compare(compare::CompareArgs),
    Convert(convert::ConvertArgs),
    Inspect(convert::InspectArgs),
    Verify(convert::VerifyArgs),
    Export(convert::ExportArgs),
    Features(features::FeaturesArgs),
    Data(data::DataArgs),
    Vocab(vocab::VocabArgs),
    Devices(devices::DevicesArgs),
    Bench(bench::BenchArgs),
    Hparams(hparams::HparamsArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Whether the command queries graphics drivers.
    pub fn uses_device(&self) -> bool {
        !matches!(
            self,
            Command::Score(_)
                | Command::Report(_)
                | Command::Runs(_)
                | Command::Compare(_)
                | Command::Convert(_)
                | Command::Inspect(_)
                | Command::Verify(_)
                | Command::Export(_)
                | Command::Features(_)
                | Command::Data(_)
                | Command::Vocab(_)
                | Command::Hparams(_)
                | Command::Completions(_)
                | Command::Man(_)
        )
    }
}

/// Runs the command and writes its results to `out`.
///
/// # Errors
/// Any error that ends the command; [`Failure`] classifies it.
pub fn run(cli: &Cli, out: &mut dyn Write) -> anyhow::Result<()> {
    stop::listen();
    match &cli.command {
        Command::Quickstart(args) => quickstart::run(args, &cli.global, out),
        Command::Finetune(args) => ranked::run(&cli.global, out, |ranks, global, out| {
            match args.sweeps.is_empty() {
                true => finetune::run(args, global, ranks, out),
                false => sweep::run(args, global, ranks, out),
            }
        }),
        Command::Pretrain(args) => ranked::run(&cli.global, out, |ranks, global, out| {
            pretrain::run(args, global, ranks, out)
        }),
        Command::Evaluate(args) => evaluate::run(args, &cli.global, out),
        Command::Predict(args) => predict::run(args, &cli.global, out),
        Command::Ask(args) => ask::run(args, &cli.global, out),
        Command::Calibrate(args) => calibrate::run(args, &cli.global, out),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::run(args, &cli.global, out),
        Command::Score(args) => score::run(args, &cli.global, out),
        Command::Report(args) => report::run(args, &cli.global, out),
        Command::Runs(args) => runs::run(args, &cli.global, out),
        Command::Compare(args) => compare::run(args, &cli.global, out),
        Command::Convert(args) => convert::convert(args, &cli.global, out),
        Command::Inspect(args) => convert::inspect(args, &cli.global, out),
        Command::Verify(args) => convert::verify(args, &cli.global, out),
        Command::Export(args) => convert::export(args, &cli.global, out),
        Command::Features(args) => features::run(args, &cli.global, out),
        Command::Data(args) => data::run(args, &cli.global, out),
        Command::Vocab(args) => vocab::run(args, &cli.global, out),
        Command::Devices(args) => ranked::run(&cli.global, out, |ranks, global, out| {
            devices::run(args, global, ranks, out)
        }),
        Command::Bench(args) => bench::run(args, &cli.global, out),
        Command::Hparams(args) => hparams::run(args, &cli.global, out),
        Command::Completions(args) => completions::run(args, out),
        Command::Man(args) => man::run(args, out),
    }?;
    Ok(out.flush()?)
}

/// Prints information about a file: on standard output, or on standard error if the file itself goes to
/// standard output.
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

/// The same for programs: an object on standard output, or the event `result` on standard error.
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
