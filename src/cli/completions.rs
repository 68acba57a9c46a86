//! `electra completions`: what a shell needs to complete commands and flags.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// Print a completion script for a shell
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra completions bash > ~/.local/share/bash-completion/completions/electra")]
pub struct CompletionsArgs {
    /// Shell to write the script for
    pub shell: Shell,
}

/// Writes the completions.
///
/// # Errors
/// If writing to `out` fails.
pub fn run(args: &CompletionsArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics where writing fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    Ok(out.write_all(&script)?)
}
