//! Tracks whether the user has asked the program to end, and whether it may end immediately.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

/// A request to end, set from outside.
///
/// Work that must save something before it ends defers the request ([`Stop::hold`]) and checks for
/// it now and then. At other times a request ends the program at once.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    at_once: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            asked: Arc::default(),
            at_once: Arc::new(AtomicBool::new(true)),
        }
    }
}

/// Returns the process-wide instance, which signal handlers set once they are installed.
pub fn of_process() -> &'static Stop {
    static STOP: LazyLock<Stop> = LazyLock::new(Stop::default);
    &STOP
}

impl Stop {
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns the flag that is set once the program is asked to end.
    pub fn asked(&self) -> &Arc<AtomicBool> {
        &self.asked
    }

    /// Returns the flag for whether a request ends the program at once.
    pub fn at_once(&self) -> &Arc<AtomicBool> {
        &self.at_once
    }

    /// Defers requests to end while the returned value lives.
    #[must_use]
    pub fn hold(&self) -> Held<'_> {
        let before = self.at_once.swap(false, Ordering::SeqCst);
        Held { stop: self, before }
    }
}

/// See [`Stop::hold`].
#[derive(Debug)]
pub struct Held<'a> {
    stop: &'a Stop,
    before: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.stop.at_once.store(self.before, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_while_the_outermost_hold_lives() {
        let stop = Stop::default();
        let at_once = || stop.at_once().load(Ordering::SeqCst);
        assert!(at_once());
        let outer = stop.hold();
        drop(stop.hold());
        assert!(!at_once());
        drop(outer);
        assert!(at_once() && !stop.is_asked());
    }
}
