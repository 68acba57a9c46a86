//! `electra man`: the manual pages.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
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
    match &args.folder {
        None => Ok(clap_mangen::Man::new(Cli::command()).render(out)?),
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
            .with_context(|| {
                format!(
                    "{}: the pages cannot be written; check the path and its permissions",
                    folder.display()
                )
            }),
    }
}
