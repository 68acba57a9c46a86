//! A command that the ranks of an MPI program run together: rank 0 tells and writes, and whichever fails
//! ends all.

use std::io::Write;

use super::{Failure, GlobalArgs, one_line, stop};
use crate::{
    config::GradientExchange,
    device::{self, DeviceRequest, card_of},
    progress::Progress,
    ranks::{self, Ranks},
};

/// Runs a command as one of the ranks of this program, or alone.
///
/// # Errors
/// What ends a process alone; with several ranks only that all were asked to end.
pub(super) fn run(
    global: &GlobalArgs,
    out: &mut dyn Write,
    command: impl FnOnce(&Ranks, &GlobalArgs, &mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ranks = Ranks::of_process();
    if ranks.is_alone() {
        return command(&ranks, global, out);
    }
    let mut global = global.clone();
    global.quiet |= !ranks.is_first();
    let done = device::failure::caught(|| command(&ranks, &global, out));
    if let Some(line) = ranks.cost() {
        global.progress().note(&line);
    }
    let Err(error) = done.map_err(anyhow::Error::from).flatten() else {
        // Another rank may have been stopped: all of them exchange the same.
        stop::agree(&ranks);
        return Ok(());
    };
    let failure = Failure::of(&error);
    match failure {
        // Stopped while it tuned its kernels, which the others, who wait for it, do not know. Nothing is
        // to be saved yet.
        Failure::Stopped if error.chain().any(is_stopped_device) => {
            ranks.end_all(failure.exit_code())
        }
        Failure::Stopped | Failure::OutputClosed => {
            stop::agree(&ranks);
            Err(error)
        }
        Failure::Device | Failure::Use => {
            // What the ranks have found together, rank 0 tells and ends the others.
            let is_agreed = error.chain().any(|cause| cause.is::<ranks::Error>());
            while is_agreed && !ranks.is_first() {
                ranks.most(0);
            }
            let told = match !is_agreed && ranks.all_failed(&one_line(&error)) {
                true => error,
                false => error.context(format!("rank {}", ranks.number())),
            };
            failure.tell(&told, &global);
            ranks.end_all(failure.exit_code())
        }
    }
}

fn is_stopped_device(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(device::Error::Stopped))
}

/// The device of a rank. Of several on one machine that are free to choose, each takes a card of its own;
/// if there are fewer, they begin again with the first.
pub(super) fn device_of(asked: DeviceRequest, ranks: &Ranks) -> DeviceRequest {
    let (number, count) = ranks.on_machine();
    if count == 1 || asked != DeviceRequest::Auto {
        return asked;
    }
    card_of(&device::list(), number).map_or(asked, DeviceRequest::Adapter)
}

/// Tells where each rank computes.
pub(super) fn tell_devices(ranks: &Ranks, line: &str, progress: &Progress) {
    if ranks.is_alone() {
        return;
    }
    let lines = ranks.all(format!("{line}, on {}", ranks.machine()));
    for (number, line) in lines.iter().enumerate() {
        progress.note(&format!("rank {number} of {}: {line}", ranks.count()));
    }
}

/// Tells that a format for exchanged gradients changes nothing, if there is nobody to exchange them with.
pub(super) fn tell_exchange(ranks: &Ranks, format: GradientExchange, progress: &Progress) {
    if ranks.is_alone() && format != GradientExchange::F32 {
        progress.note(&format!(
            "gradient_exchange = {format} changes nothing in one process: only several ranks exchange gradients"
        ));
    }
}

/// Does something in rank 0, and in the others when it is done there: what it leaves in a file is made
/// once.
pub(super) fn first_and_then_others<T>(
    ranks: &Ranks,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if !ranks.is_first() {
        ranks.most(0);
    }
    let done = work()?;
    if ranks.is_first() {
        ranks.most(0);
    }
    Ok(done)
}
