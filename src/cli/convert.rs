//! `electra convert`, `inspect`, `verify` and `export`: the commands of `checkpoints-convert`, run by its own
//! code.

use std::io::Write;

use checkpoints_convert::command::{self, Manner};
use clap::Args;

use super::GlobalArgs;

/// Convert a TensorFlow or Hugging Face checkpoint to a record
///
/// Writes model.bpk, config.json, vocab.txt and conversion.json, which says for each variable where it went
/// or why it was left out, to OUT. All checksums of the checkpoint are verified, and OUT is changed only when
/// everything is complete.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra convert electra_large.zip data/models/electra_large")]
pub struct ConvertArgs {
    #[command(flatten)]
    arguments: command::ConvertArgs,
}

/// Show what a checkpoint or a record holds
///
/// Prints a summary, or with --all or -v each variable with its shape and where it goes. Reads names and
/// shapes only, neither values nor their checksums.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra inspect electra_large.zip")]
pub struct InspectArgs {
    #[command(flatten)]
    arguments: command::InspectArgs,
}

/// Compare a converted record with its checkpoint, bit by bit
///
/// Reads the whole checkpoint again and verifies its checksums. The exit code is 2 if anything differs.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra verify electra_large.zip data/models/electra_large")]
pub struct VerifyArgs {
    #[command(flatten)]
    arguments: command::VerifyArgs,
}

/// Write a model for Hugging Face's transformers or TensorFlow
///
/// OUT must be new, empty, or an earlier export in the same format; export.json in it says what was
/// written and what was left out. What was pre-trained is two models of transformers, of which --network
/// chooses one; TensorFlow gets both, and the optimiser's state if IN is a run's checkpoint-N.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra export --format hf data/models/electra_large electra_large_hf")]
pub struct ExportArgs {
    #[command(flatten)]
    arguments: command::ExportArgs,
}

/// Converts a checkpoint and reports what was used.
pub(super) fn convert(
    args: &ConvertArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    Ok(args.arguments.run(manner(global), out)?)
}

/// Shows the contents of a checkpoint or a record.
pub(super) fn inspect(
    args: &InspectArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let all = global.verbose > 0;
    Ok(args.arguments.run(all, manner(global), out)?)
}

/// Compares a record with its checkpoint.
pub(super) fn verify(
    args: &VerifyArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    Ok(args.arguments.run(manner(global), out)?)
}

/// Exports a record in another program's format.
pub(super) fn export(
    args: &ExportArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    Ok(args.arguments.run(manner(global), out)?)
}

fn manner(global: &GlobalArgs) -> Manner {
    match (global.json, global.quiet) {
        (true, _) => Manner::Json,
        (false, true) => Manner::Quiet,
        (false, false) => Manner::Words,
    }
}
