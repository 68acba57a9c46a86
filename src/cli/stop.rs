//! Ctrl-C and SIGTERM: the first ends training after its step, with a checkpoint; the second ends
//! the process at once.

use std::sync::{Arc, LazyLock, atomic::AtomicBool};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// Exit code of a process that the user interrupts, as shells have it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Starts listening, once a process, and returns what the first signal sets.
pub(super) fn listen() -> &'static AtomicBool {
    static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The first to be registered is the first to act: it sees what the second sets only
            // when the signal comes again.
            let heard = flag::register_conditional_shutdown(signal, INTERRUPTED, stop.clone())
                .and_then(|_| flag::register(signal, stop.clone()));
            if let Err(error) = heard {
                log::warn!("signal {signal} is not listened to: {error}");
            }
        }
        stop
    });
    &STOP
}
