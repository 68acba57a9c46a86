//! The time of each step of a run, if one may begin before the last has ended.

use std::time::{Duration, Instant};

/// When the figures of the last step were known.
#[derive(Debug, Default)]
pub struct StepClock(Option<Instant>);

impl StepClock {
    /// The time of a step that began then and whose figures are now known. If it began before those of the
    /// last step were known, it counts from when they were.
    pub fn took(&mut self, began: Instant) -> Duration {
        let began = self.0.map_or(began, |last| last.max(began));
        let now = Instant::now();
        self.0 = Some(now);
        now.saturating_duration_since(began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_overlap_share_no_time() {
        let began = Instant::now();
        let mut clock = StepClock::default();
        let first = clock.took(began);
        let second = clock.took(began);
        assert!(first + second <= began.elapsed());
    }
}
