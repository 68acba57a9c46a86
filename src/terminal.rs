//! Standard error: messages for people, events for programs, and the only place that writes them.
//!
//! Messages are best effort. A run that takes hours outlives the terminal, pipe or disk that its
//! messages go to, so nothing here fails or panics, whatever happens to standard error. Nothing is
//! written raw either: text from files is escaped before it reaches a terminal.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use checkpoints_convert::{printable, printable_json};
use console::{Term, measure_text_width};
use indicatif::{ProgressBar, WeakProgressBar};
use serde_json::Value;

/// Number of columns to assume if it is unknown.
pub const COLUMNS: usize = 80;

/// The bars on the terminal, the newest last, which is hidden while a message is written.
static BARS: Mutex<Vec<WeakProgressBar>> = Mutex::new(Vec::new());

/// Makes messages appear above `bar` as long as it exists and moves.
pub fn keep_below(bar: &ProgressBar) {
    let mut bars = BARS.lock().unwrap_or_else(PoisonError::into_inner);
    bars.retain(|bar| bar.upgrade().is_some());
    bars.push(bar.downgrade());
}

/// Returns the columns of the terminal on standard error; `None` if it is not a terminal.
pub fn columns() -> Option<usize> {
    columns_of(&Term::stderr())
}

/// Returns the columns of the terminal on standard output; `None` if it is not a terminal.
pub fn output_columns() -> Option<usize> {
    columns_of(&Term::stdout())
}

fn columns_of(terminal: &Term) -> Option<usize> {
    let size = terminal.is_term().then(|| terminal.size_checked())?;
    Some(size.map_or(COLUMNS, |(_, columns)| columns.into()))
}

/// Writes one message. A terminal gets it wrapped between words, anything else as one line.
pub fn say(message: &str) {
    let message = printable(message);
    match columns() {
        Some(columns) => write(&wrapped(&message, columns)),
        None => write(&message),
    }
}

/// Writes one event: `figures` with the key `event`, as one line of JSON.
pub fn event(name: &str, mut figures: Value) {
    figures["event"] = name.into();
    write(&printable_json(&figures.to_string()));
}

/// Writes text of several lines, such as the usage of a command.
pub fn say_lines(text: &str) {
    let lines: Vec<_> = text.lines().map(printable).collect();
    write(&lines.join("\n"));
}

fn write(text: &str) {
    let line = format!("{text}\n");
    // In one write, or the lines of two threads would mix. If it fails, there is nowhere to report
    // it.
    let write = || {
        let _ = io::stderr().lock().write_all(line.as_bytes());
    };
    match moving_bar() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn moving_bar() -> Option<ProgressBar> {
    let bars = BARS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut alive = bars.iter().rev().filter_map(WeakProgressBar::upgrade);
    alive.find(|bar| !bar.is_finished())
}

/// Wraps `line` between words at the last column; continuation lines are indented like it, by at
/// least two columns. A longer word stays whole, so that a path can be copied.
pub fn wrapped(line: &str, columns: usize) -> String {
    if measure_text_width(line) <= columns {
        return line.to_owned();
    }
    let text = line.trim_start_matches(' ');
    let own = line.len() - text.len();
    let indent = own.max(2);
    let mut lines = " ".repeat(own);
    let mut column = own;
    for (place, word) in text.split(' ').enumerate() {
        let width = measure_text_width(word);
        if place > 0 && column + 1 + width > columns {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if place > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 80), "one two three");
        assert_eq!(wrapped("one two three", 7), "one two\n  three");
        assert_eq!(wrapped("one two three", 6), "one\n  two\n  three");
        // Long words and the width of 東 are handled.
        let path = "at /a/path/that/is/longer in";
        assert_eq!(wrapped(path, 10), "at\n  /a/path/that/is/longer\n  in");
        assert_eq!(wrapped("東 京 a", 5), "東 京\n  a");
        assert_eq!(wrapped("東 京 a", 7), "東 京 a");
        assert_eq!(wrapped("    one two", 8), "    one\n    two");
    }

    #[test]
    fn the_newest_bar_that_moves_gives_way() {
        let hidden =
            || ProgressBar::with_draw_target(Some(1), indicatif::ProgressDrawTarget::hidden());
        let (outer, inner) = (hidden(), hidden());
        outer.set_message("outer");
        keep_below(&outer);
        inner.set_message("inner");
        keep_below(&inner);
        let moving = || moving_bar().map(|bar| bar.message());
        assert_eq!(moving().as_deref(), Some("inner"));
        inner.finish();
        assert_eq!(moving().as_deref(), Some("outer"));
        drop(outer);
        assert_eq!(moving(), None);
    }
}
