//! Handles Ctrl-C, SIGTERM and SIGHUP.
//!
//! The first signal ends training after the current step, with a checkpoint, and an evaluation
//! after the current batch; anything with nothing to save ends at once. A second signal always ends
//! at once. A SIGHUP never counts as the second: a terminal that closes may send several.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::{
    ranks::Ranks,
    stop::{self, Stop},
};

/// Exit code of a process that Ctrl-C ended, as in shells: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;
/// Exit code of a process that was asked to end: 128 + SIGTERM.
pub const TERMINATED: u8 = 143;

struct Listener {
    stop: Stop,
    /// Exit code of the last signal received, 0 before any.
    code: Arc<AtomicUsize>,
}

static LISTENER: LazyLock<Listener> = LazyLock::new(|| {
    let listener = Listener {
        stop: stop::of_process().clone(),
        code: Arc::default(),
    };
    listener.hear(SIGINT, INTERRUPTED, true);
    listener.hear(SIGTERM, TERMINATED, true);
    #[cfg(unix)]
    if !is_ignored(SIGHUP) {
        listener.hear(SIGHUP, TERMINATED, false);
    }
    listener
});

impl Listener {
    /// Installs a handler; `insisting` is whether a second signal ends the process at once.
    fn hear(&self, signal: i32, code: u8, insisting: bool) {
        // Handlers run in the order of registration: the last sets the flag that the second checks,
        // so that this one acts only when the signal comes again.
        let end = |condition: &Arc<AtomicBool>| {
            flag::register_conditional_shutdown(signal, code.into(), condition.clone()).map(|_| ())
        };
        let heard = end(self.stop.at_once())
            .and_then(|()| match insisting {
                true => end(self.stop.asked()),
                false => Ok(()),
            })
            .and_then(|()| flag::register_usize(signal, self.code.clone(), code.into()))
            .and_then(|_| flag::register(signal, self.stop.asked().clone()));
        if let Err(error) = heard {
            log::warn!("signal {signal} cannot be handled: {error}");
        }
    }
}

/// Installs the handlers, once per process.
pub(super) fn listen() -> &'static Stop {
    &LISTENER.stop
}

/// Takes the exit code of the ranks that were asked to end, for those that a signal has not reached. Every
/// rank calls this.
pub(super) fn agree(ranks: &Ranks) {
    let own = LISTENER.code.load(Ordering::SeqCst);
    let code = ranks.most(own as u32);
    LISTENER.code.store(code as usize, Ordering::SeqCst);
}

/// Returns the exit code of a process that ends because it was asked to.
pub(super) fn exit_code() -> u8 {
    match LISTENER.code.load(Ordering::SeqCst) {
        code if code == usize::from(TERMINATED) => TERMINATED,
        _ => INTERRUPTED,
    }
}

/// Returns whether the parent process set the signal to be ignored, as `nohup` does with SIGHUP.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mask = match cfg!(target_os = "linux") {
        true => std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| Some(ignored(&status)?.to_owned())),
        false => mask_of_ps(),
    };
    mask.is_some_and(|mask| is_in_mask(&mask, signal))
}

/// Returns the mask of ignored signals in a process's status.
#[cfg(unix)]
fn ignored(status: &str) -> Option<&str> {
    let mut lines = status.lines();
    lines.find_map(|line| line.strip_prefix("SigIgn:"))
}

/// Returns the same from `ps`, for systems without `/proc`.
#[cfg(unix)]
fn mask_of_ps() -> Option<String> {
    let process = std::process::id().to_string();
    let ps = std::process::Command::new("ps")
        .args(["-o", "ignored=", "-p", &process])
        .output();
    String::from_utf8(ps.ok()?.stdout).ok()
}

/// Returns whether a hexadecimal mask has the bit of a signal.
#[cfg(unix)]
fn is_in_mask(mask: &str, signal: i32) -> bool {
    let mask = u64::from_str_radix(mask.trim(), 16);
    mask.is_ok_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        // What `nohup` and a shell's background job set: 1, 2 and 3.
        let status = "Name:\telectra\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000000005\n";
        let mask = ignored(status).unwrap();
        assert!(is_in_mask(mask, 1) && is_in_mask(mask, 3));
        assert!(!is_in_mask(mask, 2) && !is_in_mask(mask, 15));
        assert!(!is_in_mask("", 1) && ignored("Name:\telectra\n").is_none());
        // Both say the same of this process; a minimal system may lack ps.
        if let Some(mask) = mask_of_ps().filter(|mask| !mask.trim().is_empty()) {
            assert_eq!(is_in_mask(&mask, 1), is_ignored(1), "{mask}");
        }
    }
}
