//! Whether the user asks the program to end, and whether it may end where it stands.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

/// A request to end, set from outside.
///
/// Work that has something to save before it ends holds the end back ([`Stop::hold`]) and looks now
/// and then whether it was asked for. At other times a request ends the program at once.
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

/// The process's own, which signals set where the program listens to them.
pub fn of_process() -> &'static Stop {
    static STOP: LazyLock<Stop> = LazyLock::new(Stop::default);
    &STOP
}

impl Stop {
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Set once the end is asked for.
    pub fn asked(&self) -> &Arc<AtomicBool> {
        &self.asked
    }

    /// Whether a request ends the program where it stands.
    pub fn at_once(&self) -> &Arc<AtomicBool> {
        &self.at_once
    }

    /// As long as the result lives, a request waits to be looked at.
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
