//! The display of a run on standard error: a progress bar on a terminal, plain lines elsewhere,
//! JSON events for programs.

mod reading;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use checkpoints_convert::printable;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

pub use reading::Reading;

use crate::{
    step_record::StepRecord,
    terminal::{self, COLUMNS},
};

/// Interval between plain lines if there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;

/// Separator between the figures of a line.
const GAP: &str = "  ";

/// Pairs of terminal width and bar width: the bar is this wide on terminals at least that wide.
const BARS: [(usize, usize); 2] = [(100, 24), (70, 10)];

/// Columns reserved for the time left with its surroundings: `  59m left`.
const TIME_LEFT: usize = 10;

/// The audience of a run's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Quiet,
    /// Bars on a terminal, lines elsewhere.
    Human,
    /// One JSON object per line, with the key `event`: `note`, `warning`, `begin`, `step`,
    /// `windows`, `read`, `time`, `scores`, `summary`, `result`, `error`, `end`.
    Json,
}

/// Displays a run's steps.
pub struct Progress {
    audience: Output,
    state: RefCell<Shown>,
}

struct Shown {
    bar: ProgressBar,
    /// Columns before the figures, at the last step.
    before: usize,
    /// Smoothed loss per feature.
    loss: Option<f64>,
    features: usize,
    tokens: usize,
    began: Instant,
    printed: Instant,
    from: u64,
    steps: u64,
}

impl Shown {
    fn new(bar: ProgressBar, from: u64, steps: u64) -> Self {
        let now = Instant::now();
        Self {
            bar,
            before: format!("step {steps}/{steps} 100%  ").len(),
            loss: None,
            features: 0,
            tokens: 0,
            began: now,
            printed: now,
            from,
            steps,
        }
    }

    /// Formats loss, rates over the time `ran` and memory after a step, as many of them as fit in
    /// `room` columns.
    fn message(&mut self, record: &StepRecord, ran: Duration, room: usize) -> String {
        let per_feature = record.loss / record.features.max(1) as f64;
        let loss = match self.loss {
            None => per_feature,
            Some(past) => SMOOTHING * past + (1.0 - SMOOTHING) * per_feature,
        };
        self.loss = Some(loss);
        self.features += record.features;
        self.tokens += record.tokens;
        let seconds = ran.as_secs_f64().max(1e-9);
        let mut figures = vec![
            format!("loss {loss:.3}"),
            format!("lr {:.2e}", record.learning_rate),
            format!("{:.0} sequences/s", self.features as f64 / seconds),
            format!("{:.0} tokens/s", self.tokens as f64 / seconds),
        ];
        let memory = record.peak_bytes.map(|bytes| bytes / 1_000_000);
        figures.extend(memory.map(|megabytes| format!("{megabytes} MB")));
        fitting(figures, room)
    }

    /// Estimates the time for the steps after `done`, if those so far took `ran`.
    fn left(&self, done: u64, ran: Duration) -> Duration {
        let steps = done.saturating_sub(self.from).max(1);
        let per_step = ran.as_secs_f64() / steps as f64;
        let left = per_step * self.steps.saturating_sub(done) as f64;
        Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)
    }
}

/// Joins as many of the figures as fit in `room` columns.
fn fitting(mut figures: Vec<String>, room: usize) -> String {
    // Drops the rates first, sequences before tokens, then from the end. The loss stays.
    while figures.len() > 1 && figures.join(GAP).len() > room {
        let rates = figures.iter().position(|figure| figure.ends_with("/s"));
        figures.remove(rates.unwrap_or(figures.len() - 1));
    }
    figures.join(GAP)
}

impl Progress {
    pub fn new(audience: Output) -> Self {
        Self {
            audience,
            state: RefCell::new(Shown::new(ProgressBar::hidden(), 0, 0)),
        }
    }

    /// Shows one line about the run as a whole.
    pub fn note(&self, line: &str) {
        match self.audience {
            Output::Quiet => {}
            Output::Human => terminal::say(line),
            Output::Json => terminal::event("note", json!({ "text": line })),
        }
    }

    /// Reports a task's scores to programs; people find them among the results.
    pub fn scores(&self, trial: usize, task: &str, scores: &impl Serialize) {
        if self.audience == Output::Json {
            let figures = json!({"trial": trial, "task": task, "scores": scores});
            terminal::event("scores", figures);
        }
    }

    /// Reports mean and standard deviation of several trials to programs; people find them among
    /// the results.
    pub fn summary(&self, summary: &impl Serialize) {
        if self.audience == Output::Json {
            terminal::event("summary", json!(summary));
        }
    }

    /// Reports how long a part of the run took.
    pub fn time(&self, part: &str, took: Duration) {
        if self.audience == Output::Json {
            let figures = json!({"part": part, "seconds": took.as_secs_f64()});
            terminal::event("time", figures);
        }
    }

    /// Reports that the command has succeeded.
    pub fn done(&self) {
        if self.audience == Output::Json {
            terminal::event("end", json!({}));
        }
    }

    /// Reports that steps `from` to `steps` are about to run.
    pub fn begin(&self, from: u64, steps: u64) {
        if self.audience == Output::Json {
            terminal::event("begin", json!({"step": from, "steps": steps}));
        }
        let columns = terminal::columns().unwrap_or(COLUMNS);
        let fitting = BARS.into_iter().find(|(least, _)| columns >= *least);
        let (bar, wide) = match fitting {
            Some((_, wide)) => (format!("[{{bar:{wide}}}] "), wide + 3),
            None => (String::new(), 0),
        };
        let bar = self.bar(
            steps,
            &format!("{{pos}}/{{len}} {{percent:>3}}% {bar}{{msg}}  {{eta}} left"),
        );
        let mut shown = Shown::new(bar.with_position(from), from, steps);
        if !shown.bar.is_hidden() {
            shown.before = format!("{steps}/{steps} 100% ").len() + wide;
        }
        *self.state.borrow_mut() = shown;
    }

    pub fn step(&self, record: &StepRecord) {
        self.show(record.step + 1, json!(record), |shown, ran, room| {
            shown.message(record, ran, room)
        });
    }

    /// Shows a step with other figures, the most important first; programs get `event`.
    pub fn figures(&self, done: u64, figures: Vec<String>, event: Value) {
        // Where there is no terminal, nothing breaks a long line.
        let is_broken = terminal::columns().is_some();
        self.show(done, event, |_, _, room| {
            fitting(figures, if is_broken { room } else { usize::MAX })
        });
    }

    fn show(
        &self,
        done: u64,
        mut step: Value,
        message: impl FnOnce(&mut Shown, Duration, usize) -> String,
    ) {
        let mut shown = self.state.borrow_mut();
        let steps = shown.steps;
        let columns = terminal::columns().unwrap_or(COLUMNS);
        let room = columns.saturating_sub(shown.before + TIME_LEFT);
        let ran = shown.began.elapsed();
        let message = message(&mut shown, ran, room);
        match self.audience {
            Output::Quiet => {}
            Output::Json => {
                step["steps"] = steps.into();
                step["seconds_left"] = shown.left(done, ran).as_secs().into();
                terminal::event("step", step);
            }
            Output::Human if shown.bar.is_hidden() => {
                if done == steps || shown.printed.elapsed() >= PLAIN_INTERVAL {
                    let percent = 100 * done / steps.max(1);
                    let left = HumanDuration(shown.left(done, ran));
                    let place = format!("step {done}/{steps} {percent}%");
                    terminal::say(&format!("{place}  {message}  {left:#} left"));
                    shown.printed = Instant::now();
                }
            }
            Output::Human => {
                shown.bar.set_message(message);
                shown.bar.set_position(done);
            }
        }
    }

    /// Returns a bar over the windows of a prediction, or over rows with another name.
    pub fn windows(&self, count: usize, what: &str) -> ProgressBar {
        if self.audience == Output::Json {
            terminal::event("windows", json!({ "count": count }));
        }
        self.bar(
            count as u64,
            &format!("{{pos}}/{{len}} {what} [{{bar:24}}] {{per_sec}}  {{eta}} left"),
        )
    }

    /// Returns a bar over bytes that are read, whose length the caller sets.
    pub fn bytes(&self, what: &str) -> ProgressBar {
        self.bar(
            0,
            "{msg} {bytes}/{total_bytes} [{bar:10}] {bytes_per_sec}  {eta} left",
        )
        .with_message(what.to_owned())
    }

    /// Shows a spinner during work of unknown length.
    pub fn busy(&self, what: &str) -> ProgressBar {
        let bar = self.bar(0, "{spinner} {elapsed} {wide_msg}");
        bar.set_message(printable(what).into_owned());
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        bar
    }

    /// Ends the display of steps.
    pub fn end(&self) {
        let began = self.state.borrow().began;
        self.time("training", began.elapsed());
        // Drop the bar, or every later note would redraw it.
        let ended = std::mem::replace(&mut self.state.borrow_mut().bar, ProgressBar::hidden());
        ended.finish();
    }

    /// Returns a bar that is shown only to a person at a terminal.
    fn bar(&self, length: u64, template: &str) -> ProgressBar {
        let target = match self.audience {
            Output::Human => ProgressDrawTarget::stderr(),
            Output::Quiet | Output::Json => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        if !bar.is_hidden() {
            terminal::keep_below(&bar);
        }
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_loss_rates_and_memory() {
        let record = StepRecord {
            step: 4,
            loss: 16.0,
            task_losses: None,
            grad_norm: 1.0,
            learning_rate: 5e-5,
            features: 8,
            tokens: 1024,
            seconds: 1.0,
            peak_bytes: Some(3_000_000),
            exchange: None,
        };
        let mut shown = Shown::new(ProgressBar::hidden(), 3, 25);
        let ran = Duration::from_secs(4);
        let message = shown.message(&record, ran, 80);
        let expected = "loss 2.000  lr 5.00e-5  2 sequences/s  256 tokens/s  3 MB";
        assert_eq!(message, expected);
        // The loss is smoothed with nine tenths of the past.
        let next = StepRecord {
            loss: 0.0,
            task_losses: None,
            ..record
        };
        assert!(shown.message(&next, ran, 80).starts_with("loss 1.800 "));
        // Two steps took 4 seconds, 20 are left.
        assert_eq!(shown.left(5, ran).as_secs(), 40);
    }

    #[test]
    fn rates_go_before_the_line_breaks() {
        let record = StepRecord {
            step: 0,
            loss: 16.0,
            task_losses: None,
            grad_norm: 1.0,
            learning_rate: 5e-5,
            features: 8,
            tokens: 1024,
            seconds: 1.0,
            peak_bytes: Some(3_000_000),
            exchange: None,
        };
        let message = |room| {
            let mut shown = Shown::new(ProgressBar::hidden(), 0, 25);
            shown.message(&record, Duration::from_secs(4), room)
        };
        let whole = "loss 2.000  lr 5.00e-5  2 sequences/s  256 tokens/s  3 MB";
        assert_eq!(message(whole.len()), whole);
        assert_eq!(message(56), "loss 2.000  lr 5.00e-5  256 tokens/s  3 MB");
        assert_eq!(message(40), "loss 2.000  lr 5.00e-5  3 MB");
        assert_eq!(message(27), "loss 2.000  lr 5.00e-5");
        assert_eq!(message(0), "loss 2.000");
    }
}
