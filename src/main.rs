//! Parses the command line, runs one command, and turns an error into one line and an exit code.
#![forbid(unsafe_code)]

use std::{io, process::ExitCode};

use clap::Parser;
use electra::{
    cli::{self, Cli, Failure, logging, runtime_folder, standard_output::StandardOutput, usage},
    device::failure,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::tell(error).into(),
    };
    logging::start(&cli.global);
    if cli.command.uses_device() {
        runtime_folder::ensure();
    }
    failure::quiet_panics();
    let mut out = StandardOutput::new(io::stdout().lock(), &cli);
    match failure::caught(|| cli::run(&cli, &mut out))
        .map_err(Into::into)
        .flatten()
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let failure = Failure::of(&error);
            failure.tell(&error, &cli.global);
            failure.exit_code().into()
        }
    }
}
