//! Standard output: prints a command's results.
//!
//! Results contain text from files (ids, answers, names of tensors). Characters that a terminal
//! would interpret are escaped, whatever printed them; in JSON with JSON's own escapes, so that
//! programs read the same text. Line ends stay: a value that must stay on one line escapes its own.
//! On a terminal, lines are wrapped between words to fit.

use std::io::{self, Write};

use checkpoints_convert::{printable, printable_json};

use super::{Cli, Command, excerpt::Marks};
use crate::terminal;

/// The kind of output that a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Text,
    /// Text with an answer marked by the sequences of [`Marks`]; text from files is escaped before
    /// they are added.
    Marked,
    Json,
    /// A script or a page that the program itself generated.
    Script,
}

impl Content {
    fn of(cli: &Cli) -> Self {
        match &cli.command {
            Command::Completions(_) | Command::Man(_) => Self::Script,
            Command::Score(_) | Command::Bench(_) => Self::Json,
            _ if cli.global.json => Self::Json,
            Command::Ask(_) | Command::Quickstart(_) => Self::Marked,
            _ => Self::Text,
        }
    }
}

/// A writer for the results of one command.
pub struct StandardOutput<W> {
    out: W,
    content: Content,
    /// Width at which lines are wrapped; `None` if they are not.
    columns: Option<usize>,
    /// The beginning of a line, or of a character, whose rest is still to come.
    begun: Vec<u8>,
}

impl<W: Write> StandardOutput<W> {
    pub fn new(out: W, cli: &Cli) -> Self {
        // The commands and paths at the end of a run are meant to be copied.
        let is_run = matches!(
            cli.command,
            Command::Finetune(_) | Command::Evaluate(_) | Command::Quickstart(_)
        );
        let content = Content::of(cli);
        let is_text = matches!(content, Content::Text | Content::Marked);
        let columns = terminal::output_columns().filter(|_| is_text && !is_run);
        Self::with_content(out, content, columns)
    }

    fn with_content(out: W, content: Content, columns: Option<usize>) -> Self {
        Self {
            out,
            content,
            columns,
            begun: Vec::new(),
        }
    }

    /// Writes complete text.
    fn put(&mut self, text: &str) -> io::Result<()> {
        let mut text = shown(text, self.content);
        if let Some(columns) = self.columns {
            let lines = text
                .split('\n')
                .map(|line| terminal::wrapped(line, columns));
            text = lines.collect::<Vec<_>>().join("\n");
        }
        self.out.write_all(text.as_bytes()).map_err(named)
    }
}

impl<W: Write> Write for StandardOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.content == Content::Script {
            return self.out.write(bytes).map_err(named);
        }
        self.begun.extend_from_slice(bytes);
        let whole = match (self.columns, std::str::from_utf8(&self.begun)) {
            // Lines are wrapped only when complete.
            (Some(_), _) => end_of_lines(&self.begun),
            (None, Err(error)) if error.error_len().is_none() => error.valid_up_to(),
            (None, _) => self.begun.len(),
        };
        let rest = self.begun.split_off(whole);
        let whole = std::mem::replace(&mut self.begun, rest);
        self.put(&String::from_utf8_lossy(&whole))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        self.put(&String::from_utf8_lossy(&rest))?;
        self.out.flush().map_err(named)
    }
}

/// Returns the position after the last line end.
fn end_of_lines(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| *byte == b'\n');
    last.map_or(0, |place| place + 1)
}

/// Escapes `text` for standard output.
fn shown(text: &str, content: Content) -> String {
    let escaped = |text: &str| -> String {
        let lines: Vec<_> = text.split('\n').map(printable).collect();
        lines.join("\n")
    };
    match content {
        Content::Script => text.to_owned(),
        Content::Json => printable_json(text).into_owned(),
        Content::Text => escaped(text),
        Content::Marked => {
            let mut shown = String::with_capacity(text.len());
            let mut rest = text;
            while let Some((before, mark)) = Marks::first_in(rest) {
                shown.push_str(&escaped(&rest[..before]));
                shown.push_str(mark);
                rest = &rest[before + mark.len()..];
            }
            shown + &escaped(rest)
        }
    }
}

/// Extends an error with what could not be written.
fn named(error: io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => "; free space on the disk that it goes to",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("the results cannot be written to standard output: {error}{advice}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: Content, pieces: &[&[u8]]) -> String {
        let mut out = StandardOutput::with_content(Vec::new(), content, None);
        for piece in pieces {
            out.write_all(piece).unwrap();
        }
        String::from_utf8(out.out).unwrap()
    }

    #[test]
    fn text_is_escaped_but_its_lines_stay() {
        let text = "id \x1b[31m\u{202e}x\nmüller\n";
        let expected = "id \\u{1b}[31m\\u{202e}x\nmüller\n";
        assert_eq!(written(Content::Text, &[text.as_bytes()]), expected);
        // Characters that arrive in pieces are reassembled.
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(written(Content::Text, &bytes), expected);
    }

    #[test]
    fn json_is_escaped_as_json() {
        let value = serde_json::json!({"id": "\x1b\u{9b}\u{202e}"});
        let shown = written(Content::Json, &[format!("{value}\n").as_bytes()]);
        assert_eq!(shown, "{\"id\":\"\\u001b\\u009b\\u202e\"}\n");
    }

    #[test]
    fn marks_pass_and_nothing_else() {
        let text = "an \x1b[30;43moak\x1b[0m.\x1b[2J\n";
        let expected = "an \x1b[30;43moak\x1b[0m.\\u{1b}[2J\n";
        assert_eq!(written(Content::Marked, &[text.as_bytes()]), expected);
        assert_eq!(written(Content::Text, &[b"\x1b[0m"]), "\\u{1b}[0m");
        assert_eq!(written(Content::Script, &[b"\x1b[0m"]), "\x1b[0m");
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_it() {
        let mut out = StandardOutput::with_content(Vec::new(), Content::Marked, Some(12));
        for piece in ["    one \x1b[30;43m", "two\x1b[0m three\nfour", " five six"] {
            out.write_all(piece.as_bytes()).unwrap();
        }
        // A prompt has no line end.
        out.flush().unwrap();
        let expected = "    one \x1b[30;43mtwo\x1b[0m\n    three\nfour five\n  six";
        assert_eq!(String::from_utf8(out.out).unwrap(), expected);
    }

    #[test]
    fn a_disk_that_is_full_is_an_error_that_says_so() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = StandardOutput::with_content(Full, Content::Text, None);
        let error = out.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("standard output"), "{error}");
    }
}
