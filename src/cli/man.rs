//! `electra man`: the manual pages.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, ensure};
use checkpoints_convert::printable;
use clap::{Args, CommandFactory};

use super::Cli;

/// Print the manual page, or write the pages of all commands
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Output folder for electra.1, electra-finetune.1 and so on [default: print electra.1]
    pub folder: Option<PathBuf>,
}

/// Writes the pages.
///
/// # Errors
/// If the folder or `out` cannot be written.
pub fn run(args: &ManArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(folder) = &args.folder else {
        return Ok(clap_mangen::Man::new(Cli::command()).render(out)?);
    };
    let name = folder.to_string_lossy();
    ensure!(
        folder.exists() || Cli::command().find_subcommand(&*name).is_none(),
        "{name}: expected an output folder for the pages of all commands, found the name of a command; \
         `electra {name} --help` describes it, and for a folder of that name give ./{name}"
    );
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| {
            format!(
                "{}: the pages cannot be written; check the path and its permissions",
                folder.display()
            )
        })?;
    Ok(writeln!(out, "pages: {}", printable(&name))?)
}
