//! What a person sees of a run: a moving line on a terminal, plain lines elsewhere.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::log::StepRecord;

/// Plain lines come this often where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;

/// Shows a run's steps on standard error.
pub struct Progress {
    quiet: bool,
    state: RefCell<Shown>,
}

struct Shown {
    bar: ProgressBar,
    loss: Option<f64>,
    features: usize,
    began: Instant,
    printed: Instant,
    steps: u64,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            quiet,
            state: RefCell::new(Shown {
                bar: ProgressBar::hidden(),
                loss: None,
                features: 0,
                began: now,
                printed: now,
                steps: 0,
            }),
        }
    }

    /// One line about the run as a whole.
    pub fn note(&self, line: &str) {
        if self.quiet {
            return;
        }
        let shown = self.state.borrow();
        shown.bar.suspend(|| eprintln!("{line}"));
    }

    /// Steps `from` to `steps` are about to run.
    pub fn begin(&self, from: u64, steps: u64) {
        let mut shown = self.state.borrow_mut();
        let target = if self.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(steps), target).with_position(from);
        let style =
            ProgressStyle::with_template("{pos}/{len} {percent:>3}% [{bar:24}] {msg}  {eta} left");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        *shown = Shown {
            bar,
            loss: None,
            features: 0,
            began: Instant::now(),
            printed: Instant::now(),
            steps,
        };
    }

    pub fn step(&self, record: &StepRecord) {
        let mut shown = self.state.borrow_mut();
        let per_feature = record.loss / record.features.max(1) as f64;
        let loss = match shown.loss {
            None => per_feature,
            Some(past) => SMOOTHING * past + (1.0 - SMOOTHING) * per_feature,
        };
        shown.loss = Some(loss);
        shown.features += record.features;
        let rate = shown.features as f64 / shown.began.elapsed().as_secs_f64().max(1e-9);
        let memory = record
            .peak_bytes
            .map_or(String::new(), |bytes| format!("  {} MB", bytes / 1_000_000));
        let message = format!(
            "loss {loss:.3}  lr {:.2e}  {rate:.0} sequences/s{memory}",
            record.learning_rate
        );
        if shown.bar.is_hidden() {
            let last = record.step + 1 == shown.steps;
            if !self.quiet && (last || shown.printed.elapsed() >= PLAIN_INTERVAL) {
                eprintln!("step {}/{}  {message}", record.step + 1, shown.steps);
                shown.printed = Instant::now();
            }
        } else {
            shown.bar.set_message(message);
            shown.bar.set_position(record.step + 1);
        }
    }

    /// A bar over the windows of a prediction.
    pub fn windows(&self, count: usize) -> ProgressBar {
        let target = if self.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(count as u64), target);
        let style = ProgressStyle::with_template(
            "{pos}/{len} windows [{bar:24}] {per_sec}  {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }

    pub fn end(&self) {
        self.state.borrow().bar.finish();
    }
}
