//! Prints clap's output instead of running a command: help, the version, or a usage error.

use std::{ffi::OsString, io};

use checkpoints_convert::printable;
use clap::error::{ContextValue, Error, ErrorKind};
use serde_json::json;

use super::{WRONG_USE, usage_hint::usage_hint};
use crate::terminal;

/// Prints it and returns the exit code.
pub fn tell(mut error: Error) -> u8 {
    if !error.use_stderr() {
        return match error.print() {
            // The reader of our output has closed the pipe, as `| head` does.
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
                terminal::say(&format!(
                    "error: the text cannot be written to standard output: {failed}"
                ));
                WRONG_USE
            }
            _ => 0,
        };
    }
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let hint = usage_hint(&error, &arguments);
    if asks_for_json(std::env::args_os().skip(1)) {
        escape(&mut error);
        let mut text = first_paragraph(&error.render().to_string());
        if let Some(hint) = hint {
            text = format!("{text}; {hint}");
        }
        terminal::event("error", json!({"text": text, "code": error.exit_code()}));
        return WRONG_USE;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand || !is_raw() {
        // In colours, on a terminal that supports them; best effort like every message.
        let _ = error.print();
    } else {
        escape(&mut error);
        terminal::say_lines(error.render().to_string().trim_end());
    }
    if let Some(hint) = hint {
        terminal::say(&format!("tip: {hint}"));
    }
    WRONG_USE
}

/// Returns whether `--json` is among the arguments, which could not be parsed.
fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut flags = arguments.take_while(|argument| argument != "--");
    flags.any(|argument| argument == "--json")
}

/// Returns whether anything that clap may echo contains characters that a terminal interprets.
fn is_raw() -> bool {
    let mut arguments = std::env::args_os().chain(std::env::var_os("ELECTRA_DEVICE"));
    arguments.any(|argument| {
        let argument = argument.to_string_lossy();
        printable(&argument) != argument
    })
}

/// Escapes what the user typed, before clap adds its own colours.
fn escape(error: &mut Error) {
    let given: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => {
                Some((kind, ContextValue::String(printable(text).into_owned())))
            }
            ContextValue::Strings(texts) => {
                let texts = texts.iter().map(|text| printable(text).into_owned());
                Some((kind, ContextValue::Strings(texts.collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in given {
        error.insert(kind, value);
    }
}

/// Returns the message without its usage, on one line.
fn first_paragraph(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = message.split("\nUsage:").next().unwrap_or(message);
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_was_typed_is_escaped_in_clap_s_message() {
        let arguments = ["electra", "devices", "\x1b[31mred\u{202e}"];
        let mut error = Cli::try_parse_from(arguments).unwrap_err();
        escape(&mut error);
        let message = error.render().to_string();
        assert!(
            message.contains("unexpected argument '\\u{1b}[31mred\\u{202e}' found"),
            "{message}"
        );
        let line = first_paragraph(&message);
        assert!(line.starts_with("unexpected argument"), "{line}");
        assert!(!line.contains("Usage"), "{line}");
    }

    #[test]
    fn json_is_asked_for_by_a_flag_of_its_own() {
        let asks = |arguments: &[&str]| asks_for_json(arguments.iter().map(OsString::from));
        assert!(asks(&["score", "--json", "--no-such-flag"]));
        assert!(!asks(&["score", "--", "--json"]));
        assert!(!asks(&["score"]));
    }
}
