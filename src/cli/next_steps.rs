//! What one would do after a run, as commands that can be pasted into the shell: open the report,
//! ask, serve.

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    path::{Path, PathBuf},
};

use checkpoints_convert::printable;

use super::compute::ComputeArgs;
use crate::{
    device::DeviceRequest,
    tasks::asked::{Asked, Form},
};

/// What the commands speak of.
pub(super) struct NextSteps<'a> {
    pub report: Option<&'a Path>,
    /// Folder of the fine-tuned model, if it can be asked.
    pub checkpoint: Option<&'a Path>,
    /// What it is asked.
    pub asked: &'a Asked,
    pub compute: &'a ComputeArgs,
}

/// Something to ask of a model that takes this form.
pub(super) fn example(form: Form) -> Asked {
    match form {
        Form::Question => Asked::question(
            "Who was born in London?",
            "Ada Lovelace was born in London in 1815.",
        ),
        Form::Text | Form::TextOrPair => {
            Asked::text("Ada Lovelace was born in London in 1815.", None)
        }
        Form::Pair => Asked::text(
            "Ada Lovelace was born in London in 1815.",
            Some("Ada Lovelace was born in England."),
        ),
    }
}

/// What opens a page, as the system at hand has it.
const OPEN: &str = if cfg!(windows) {
    "explorer"
} else if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

impl NextSteps<'_> {
    /// Prints a line a command, and nothing after them.
    pub fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.report.is_none() && self.checkpoint.is_none() {
            return Ok(());
        }
        match cfg!(feature = "server") {
            _ if self.checkpoint.is_none() => writeln!(out, "\nnext: open the report:")?,
            true => writeln!(out, "\nnext: open the report, ask, serve:")?,
            false => writeln!(out, "\nnext: open the report, ask:")?,
        }
        if let Some(report) = self.report {
            writeln!(out, "{OPEN} {}", quoted_path(report))?;
        }
        let Some(checkpoint) = self.checkpoint else {
            return Ok(());
        };
        let program = std::env::args_os().next();
        let program = quoted(&program.unwrap_or_else(|| OsString::from("electra")));
        let checkpoint = quoted_path(checkpoint);
        let device = self.device();
        let asked = match self.asked {
            Asked::Question {
                question, passage, ..
            } => vec![("question", question), ("passage", passage)],
            Asked::Text { a, b: None } => vec![("text", a)],
            Asked::Text { a, b: Some(b) } => vec![("text", a), ("text-b", b)],
        };
        let asked = asked.into_iter();
        let asked = asked.map(|(flag, text)| format!(" --{flag} {}", quoted(text.as_ref())));
        let asked = asked.collect::<String>();
        writeln!(
            out,
            "{program} ask --checkpoint {checkpoint}{device}{asked}"
        )?;
        if cfg!(feature = "server") {
            writeln!(out, "{program} serve --checkpoint {checkpoint}{device}")?;
        }
        Ok(())
    }

    /// The flags of the device, where neither the default nor the environment says the same.
    fn device(&self) -> String {
        let device = self.compute.device;
        if device == DeviceRequest::Auto || std::env::var_os("ELECTRA_DEVICE").is_some() {
            return String::new();
        }
        format!(" --device {device}")
    }
}

/// A path as a word of a command line; never taken for a flag.
fn quoted_path(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return quoted(PathBuf::from(".").join(path).as_os_str());
    }
    quoted(path.as_os_str())
}

/// `text` as one word of the shell's.
fn quoted(text: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_%+=:,./-@\\".contains(byte);
    let plain = text.as_encoded_bytes();
    let word = text.to_str().filter(|word| printable(word) == *word);
    if cfg!(windows) {
        // Its names have no quotation marks in them.
        return match plain.iter().all(is_plain) && !plain.is_empty() {
            true => text.to_string_lossy().into_owned(),
            false => format!("\"{}\"", text.to_string_lossy()),
        };
    }
    match word {
        Some(word) if plain.iter().all(|b| is_plain(b) && *b != b'\\') && !word.is_empty() => {
            word.to_owned()
        }
        Some(word) => format!("'{}'", word.replace('\'', r"'\''")),
        // What no terminal should get and what is no text: by the bytes' numbers.
        None => {
            let bytes = plain.iter().map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() || b"_-./ ".contains(byte) => {
                    char::from(*byte).to_string()
                }
                byte => format!("\\{byte:03o}"),
            });
            format!("$'{}'", bytes.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_shell_reads_every_word_as_it_was() {
        use std::{os::unix::ffi::OsStrExt, process::Command};

        for bytes in [
            &b"plain/path-1.json"[..],
            b"",
            b"with blank",
            b"it's \"quoted\" $HOME `id` \\ * ? !",
            "müller/東京".as_bytes(),
            b"escape\x1b[31m\nline\ttab' \\",
            "bidi\u{202e}x'".as_bytes(),
            b"no\xff text",
            b"~/home",
        ] {
            let word = quoted(OsStr::from_bytes(bytes));
            assert!(!word.contains('\n') && !word.contains('\x1b'), "{word}");
            assert_eq!(printable(&word), word);
            let mut shell = Command::new("bash");
            let output = shell.arg("-c").arg(format!("printf %s {word}")).output();
            assert_eq!(output.unwrap().stdout, bytes, "{word}");
        }
        assert_eq!(quoted("plain/path-1.json".as_ref()), "plain/path-1.json");
        assert_eq!(quoted_path(Path::new("-data/model")), "./-data/model");
    }

    #[test]
    fn a_line_a_command_and_nothing_after_them() {
        let compute = ComputeArgs {
            device: DeviceRequest::Cpu,
            precision: None,
            memory_budget: None,
        };
        let steps = NextSteps {
            report: Some(Path::new("d/squad_report.html")),
            checkpoint: Some(Path::new("d/my model")),
            asked: &Asked::question("Who?", "Ada wrote it."),
            compute: &compute,
        };
        let mut out = Vec::new();
        steps.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        let [serve, ask, open] = lines[..] else {
            panic!("{text}");
        };
        assert!(open.ends_with(" d/squad_report.html"), "{open}");
        assert!(ask.contains(" ask --checkpoint "), "{ask}");
        assert!(ask.contains(" --question "), "{ask}");
        assert!(serve.contains(" serve --checkpoint "), "{serve}");
    }
}
