//! Logging to standard error besides errors: warnings by default, more with `-v`.

use std::{panic, sync::OnceLock};

use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::json;

use super::GlobalArgs;
use crate::terminal;

/// Crates whose log records are shown without `-vv`.
const OWN: [&str; 2] = ["electra", "checkpoints_convert"];

/// Writes log records as messages, or as events for programs.
struct Messages {
    own: LevelFilter,
    others: LevelFilter,
    json: bool,
}

/// Starts logging. Later calls change nothing.
///
/// Libraries below this one are shown only with `-vv`: drivers log much that nobody can change.
pub fn start(global: &GlobalArgs) {
    static MESSAGES: OnceLock<Messages> = OnceLock::new();
    let (own, others) = match (global.quiet, global.verbose) {
        (true, _) => (LevelFilter::Error, LevelFilter::Off),
        (false, 0) => (LevelFilter::Warn, LevelFilter::Off),
        (false, 1) => (LevelFilter::Info, LevelFilter::Off),
        (false, 2) => (LevelFilter::Debug, LevelFilter::Warn),
        (false, _) => (LevelFilter::Trace, LevelFilter::Debug),
    };
    let json = global.json;
    let messages = MESSAGES.get_or_init(|| Messages { own, others, json });
    match log::set_logger(messages) {
        Ok(()) => log::set_max_level(own.max(others)),
        Err(_) => log::debug!("logging was started before"),
    }
    if json {
        // A panic message must not appear as plain text among events.
        panic::set_hook(Box::new(|info| {
            terminal::event("error", json!({"text": info.to_string()}));
        }));
    }
}

impl Messages {
    fn level(&self, target: &str) -> LevelFilter {
        let name = target.split("::").next().unwrap_or(target);
        if OWN.contains(&name) {
            self.own
        } else {
            self.others
        }
    }
}

impl Log for Messages {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= self.level(metadata.target())
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        let word = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        match (self.json, record.level()) {
            (false, _) => terminal::say(&format!("{word}: {text}")),
            (true, Level::Error | Level::Warn) => terminal::event(word, json!({ "text": text })),
            (true, _) => terminal::event("note", json!({"text": text, "level": word})),
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_heard_on_their_own_level() {
        let messages = Messages {
            own: LevelFilter::Info,
            others: LevelFilter::Off,
            json: false,
        };
        assert_eq!(messages.level("electra::cli"), LevelFilter::Info);
        assert_eq!(messages.level("checkpoints_convert"), LevelFilter::Info);
        assert_eq!(messages.level("electra_other"), LevelFilter::Off);
        assert_eq!(messages.level("wgpu_hal::vulkan"), LevelFilter::Off);
    }
}
