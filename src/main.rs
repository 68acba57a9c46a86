//! Parses the command line, runs one command, turns an error into one line and an exit code.
#![forbid(unsafe_code)]

use std::{io, process::ExitCode};

use clap::Parser;
use electra::{
    cli::{self, Cli, logging, runtime_folder},
    device::failure,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.global);
    if cli.command.uses_device() {
        runtime_folder::ensure();
    }
    failure::quiet_panics();
    match failure::caught(|| cli::run(&cli, &mut io::stdout().lock()))
        .map_err(Into::into)
        .flatten()
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = cli::exit_code(&error);
            if code != 0 && !cli::was_stopped(&error) {
                eprintln!("error: {}", cli::one_line(&error));
            }
            code.into()
        }
    }
}
