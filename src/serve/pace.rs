//! How much the model is given at once.
//!
//! Large batches use a device best; small ones let the next question in soon. The limit is one of
//! time, so the batch size adapts to how long recent batches took: a GPU gets full batches, two
//! cores with a large model get one window at a time.

use std::time::Duration;

/// Target time of a batch: a new request waits for the current one to end.
const GO: Duration = Duration::from_millis(500);

/// The number of tokens in a batch.
#[derive(Debug)]
pub struct Pace {
    least: usize,
    most: usize,
    tokens: usize,
}

impl Pace {
    /// Starts with `least`, since nothing is known about the device yet, and never exceeds `most`.
    pub fn new(least: usize, most: usize) -> Self {
        let least = least.max(1);
        Pace {
            least,
            most: most.max(least),
            tokens: least,
        }
    }

    /// Returns how many tokens the next batch may have.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Records how long a batch of `tokens` tokens took.
    pub fn hear(&mut self, tokens: usize, took: Duration) {
        if took > GO {
            self.tokens = (self.tokens / 2).max(self.least);
        } else if took < GO / 2 && tokens >= self.tokens {
            // A batch that was not full says nothing about a larger one.
            self.tokens = self.tokens.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_device_soon_gets_all_and_a_slow_one_a_window_at_a_time() {
        let mut pace = Pace::new(512, 16_384);
        let fast = Duration::from_millis(20);
        let mut goes = vec![pace.tokens()];
        while pace.tokens() < 16_384 {
            pace.hear(pace.tokens(), fast);
            goes.push(pace.tokens());
        }
        assert_eq!(goes, [512, 1024, 2048, 4096, 8192, 16_384]);
        pace.hear(16_384, fast);
        assert_eq!(pace.tokens(), 16_384);
        for _ in 0..10 {
            pace.hear(pace.tokens(), Duration::from_secs(3));
        }
        assert_eq!(pace.tokens(), 512);
    }

    #[test]
    fn only_full_goes_ask_for_more() {
        let mut pace = Pace::new(100, 1000);
        pace.hear(99, Duration::from_millis(1));
        assert_eq!(pace.tokens(), 100);
        // Neither fast nor slow: no change.
        pace.hear(100, Duration::from_millis(400));
        assert_eq!(pace.tokens(), 100);
        pace.hear(100, Duration::from_millis(1));
        assert_eq!(pace.tokens(), 200);
        // A batch size of 0 windows is rejected elsewhere.
        assert_eq!(Pace::new(0, 0).tokens(), 1);
    }
}
