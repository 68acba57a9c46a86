//! Progress of reading a corpus: a bar on a terminal, occasional lines elsewhere, events for
//! programs.

use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanDuration, ProgressBar};
use serde_json::Value;

use super::{Output, PLAIN_INTERVAL, Progress};
use crate::terminal;

/// Interval between events.
const EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// The display of one reading.
pub struct Reading {
    audience: Output,
    bar: ProgressBar,
    began: Instant,
    told: Instant,
    /// Where the reading began, if it resumed an earlier one.
    from: Option<u64>,
}

impl Progress {
    /// Starts a reading.
    pub fn reading(&self) -> Reading {
        let now = Instant::now();
        Reading {
            audience: self.audience,
            bar: self.bar(0, "{percent:>3}% [{bar:10}] {msg}"),
            began: now,
            told: now,
            from: None,
        }
    }
}

impl Reading {
    /// Reports that `bytes` of `total` have been read; `figures` are for people, and `event` for
    /// programs.
    pub fn at(&mut self, bytes: u64, total: u64, figures: &str, event: Value) {
        let from = *self.from.get_or_insert(bytes);
        let ran = self.began.elapsed().as_secs_f64();
        let rate = bytes.saturating_sub(from) as f64 / ran.max(1e-9);
        let left = (rate > 0.0)
            .then(|| total.saturating_sub(bytes) as f64 / rate)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if self.audience == Output::Json {
            if self.told.elapsed() >= EVENT_INTERVAL {
                let mut event = event;
                event["bytes"] = bytes.into();
                event["total_bytes"] = total.into();
                event["seconds_left"] = left.map(|left| left.as_secs()).into();
                terminal::event("read", event);
                self.told = Instant::now();
            }
            return;
        }
        let rate = DecimalBytes(rate as u64);
        let left = left.map(|left| format!("  {:#} left", HumanDuration(left)));
        let message = format!("{figures}  {rate}/s{}", left.unwrap_or_default());
        if self.audience == Output::Human && self.bar.is_hidden() {
            if self.told.elapsed() >= PLAIN_INTERVAL {
                let percent = (100.0 * bytes as f64 / total.max(1) as f64) as u64;
                let total = DecimalBytes(total);
                terminal::say(&format!("{percent}% of {total}  {message}"));
                self.told = Instant::now();
            }
            return;
        }
        self.bar.set_length(total);
        self.bar.set_message(message);
        self.bar.set_position(bytes);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
