//! Statistics of a server in Prometheus format: `GET /metrics`.
//!
//! Only numbers: nothing that was asked, and no more routes than the server has, whatever paths are
//! requested.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The text format that every Prometheus version reads.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the request duration buckets, in seconds.
const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Upper bounds of the buckets for windows per batch.
const WINDOWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The statistics of one server.
#[derive(Debug)]
pub struct Metrics(Mutex<Figures>);

#[derive(Debug)]
struct Figures {
    /// By route and status.
    requests: BTreeMap<(&'static str, u16), u64>,
    seconds: BTreeMap<&'static str, Histogram>,
    batches: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics(Mutex::new(Figures {
            requests: BTreeMap::new(),
            seconds: BTreeMap::new(),
            batches: Histogram::new(&WINDOWS),
        }))
    }
}

impl Metrics {
    /// Records the end of a request.
    pub fn request(&self, route: &'static str, status: u16, took: Duration) {
        let mut figures = self.figures();
        *figures.requests.entry((route, status)).or_default() += 1;
        let seconds = figures.seconds.entry(route);
        let seconds = seconds.or_insert_with(|| Histogram::new(&SECONDS));
        seconds.add(took.as_secs_f64());
    }

    /// Records that the model computed a batch of `windows` windows.
    pub fn batch(&self, windows: usize) {
        self.figures().batches.add(windows as f64);
    }

    /// Formats all statistics, including how many requests are in progress now.
    pub fn text(&self, queue: usize) -> String {
        let figures = self.figures();
        let mut text = String::new();
        let named = |text: &mut String, name: &str, kind: &str, help: &str| {
            // Writing to a String cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        };
        let requests = "electra_requests_total";
        named(
            &mut text,
            requests,
            "counter",
            "Requests by route and status; 499: the client had gone before its answer",
        );
        for ((route, status), count) in &figures.requests {
            let labels = format!("{{route=\"{route}\",status=\"{status}\"}}");
            let _ = writeln!(text, "{requests}{labels} {count}");
        }
        let seconds = "electra_request_seconds";
        let help = "Seconds from a request's head to its answer";
        named(&mut text, seconds, "histogram", help);
        for (route, histogram) in &figures.seconds {
            let label = format!("route=\"{route}\"");
            histogram.write(&mut text, seconds, &label);
        }
        let windows = "electra_windows_total";
        let help = "Windows of passages, or rows of texts, that the model has seen";
        named(&mut text, windows, "counter", help);
        let _ = writeln!(text, "{windows} {}", figures.batches.sum);
        let batches = "electra_batch_windows";
        let help = "Windows that the model sees at once";
        named(&mut text, batches, "histogram", help);
        figures.batches.write(&mut text, batches, "");
        let length = "electra_queue_length";
        let help = "Questions or texts that wait or are being answered";
        named(&mut text, length, "gauge", help);
        let _ = writeln!(text, "{length} {queue}");
        text
    }

    /// Locks the statistics; a thread that panicked cannot have left them inconsistent.
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts of values by size.
#[derive(Debug)]
struct Histogram {
    ends: &'static [f64],
    /// For each bound, the number of values up to it and above the previous one; last, those above
    /// all bounds.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(ends: &'static [f64]) -> Self {
        Histogram {
            ends,
            counts: vec![0; ends.len() + 1],
            sum: 0.0,
        }
    }

    fn add(&mut self, value: f64) {
        let place = self.ends.partition_point(|end| *end < value);
        self.counts[place] += 1;
        self.sum += value;
    }

    /// Writes cumulative counts: each line counts all values up to its bound.
    fn write(&self, text: &mut String, name: &str, label: &str) {
        let comma = if label.is_empty() { "" } else { "," };
        let braces = match label {
            "" => String::new(),
            label => format!("{{{label}}}"),
        };
        let mut count = 0;
        let ends = self.ends.iter().map(ToString::to_string);
        for (end, more) in ends.chain(["+Inf".to_owned()]).zip(&self.counts) {
            count += more;
            let _ = writeln!(text, "{name}_bucket{{{label}{comma}le=\"{end}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_sum{braces} {}", self.sum);
        let _ = writeln!(text, "{name}_count{braces} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus() {
        let metrics = Metrics::default();
        metrics.request("/api/answer", 200, Duration::from_millis(5));
        metrics.request("/api/answer", 200, Duration::from_millis(500));
        metrics.request("/api/answer", 503, Duration::from_secs(60));
        metrics.request("other", 404, Duration::ZERO);
        for windows in [1, 3, 4, 300] {
            metrics.batch(windows);
        }
        let text = metrics.text(7);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for sample in [
            "electra_requests_total{route=\"/api/answer\",status=\"200\"} 2",
            "electra_requests_total{route=\"/api/answer\",status=\"503\"} 1",
            "electra_requests_total{route=\"other\",status=\"404\"} 1",
            // A bound counts values equal to it.
            "electra_request_seconds_bucket{route=\"/api/answer\",le=\"0.005\"} 1",
            "electra_request_seconds_bucket{route=\"/api/answer\",le=\"0.25\"} 1",
            "electra_request_seconds_bucket{route=\"/api/answer\",le=\"0.5\"} 2",
            "electra_request_seconds_bucket{route=\"/api/answer\",le=\"30\"} 2",
            "electra_request_seconds_bucket{route=\"/api/answer\",le=\"+Inf\"} 3",
            "electra_request_seconds_sum{route=\"/api/answer\"} 60.505",
            "electra_request_seconds_count{route=\"/api/answer\"} 3",
            "electra_windows_total 308",
            "electra_batch_windows_bucket{le=\"1\"} 1",
            "electra_batch_windows_bucket{le=\"2\"} 1",
            "electra_batch_windows_bucket{le=\"4\"} 3",
            "electra_batch_windows_bucket{le=\"256\"} 3",
            "electra_batch_windows_bucket{le=\"+Inf\"} 4",
            "electra_batch_windows_sum 308",
            "electra_batch_windows_count 4",
            "electra_queue_length 7",
        ] {
            assert!(samples.contains(&sample), "{sample} is not in {text}");
        }
        assert_eq!(samples.len(), 3 + 2 * 15 + 1 + 12 + 1);
        // Each family is declared once, before its samples.
        let named = text.lines().filter(|line| line.starts_with("# TYPE "));
        assert_eq!(named.count(), 5);
        assert!(text.ends_with('\n'));
    }
}
