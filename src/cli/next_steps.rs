//! Suggests what to do after a run, as commands to paste into a shell: open the report, ask, serve.

use std::{ffi::OsString, io::Write, path::Path};

use super::compute::ComputeArgs;
use crate::{
    device::DeviceRequest,
    shell::{quoted, quoted_path},
    tasks::asked::{Asked, Form},
};

/// What the commands refer to.
pub(super) struct NextSteps<'a> {
    pub report: Option<&'a Path>,
    /// Folder of the fine-tuned model, if it can be queried.
    pub checkpoint: Option<&'a Path>,
    /// The input for `electra ask`.
    pub asked: &'a Asked,
    pub compute: &'a ComputeArgs,
}

/// Example input for a model of this form.
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

/// The system's command for opening a page.
const OPEN: &str = if cfg!(windows) {
    "explorer"
} else if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

impl NextSteps<'_> {
    /// Prints one line per command, and nothing after them.
    pub fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let asks = self.checkpoint.is_some();
        let steps = [
            (self.report.is_some(), "open the report"),
            (asks, "ask"),
            (asks && cfg!(feature = "server"), "serve"),
        ];
        let steps = steps.into_iter().filter(|(follows, _)| *follows);
        let steps: Vec<&str> = steps.map(|(_, step)| step).collect();
        if steps.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nnext: {}:", steps.join(", "))?;
        if let Some(report) = self.report {
            writeln!(out, "{OPEN} {}", quoted_path(report))?;
        }
        let Some(checkpoint) = self.checkpoint else {
            return Ok(());
        };
        let program = std::env::args_os().next();
        let program = quoted(program.unwrap_or_else(|| OsString::from("electra")));
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
        let asked = asked.map(|(flag, text)| format!(" --{flag} {}", quoted(text)));
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

    /// The device flags, unless the default or the environment has the same effect.
    fn device(&self) -> String {
        let device = self.compute.device;
        if device == DeviceRequest::Auto || std::env::var_os("ELECTRA_DEVICE").is_some() {
            return String::new();
        }
        format!(" --device {device}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_first_line_names_what_follows() {
        let compute = ComputeArgs {
            device: DeviceRequest::Cpu,
            precision: None,
            memory_budget: None,
        };
        let asks = match cfg!(feature = "server") {
            true => "ask, serve",
            false => "ask",
        };
        let lines_of_asking = asks.split(", ").count();
        let (report, model) = (Some(Path::new("r.html")), Some(Path::new("d/m")));
        for (report, checkpoint, first, lines) in [
            (
                report,
                model,
                format!("next: open the report, {asks}:"),
                1 + lines_of_asking,
            ),
            (None, model, format!("next: {asks}:"), lines_of_asking),
            (report, None, "next: open the report:".to_owned(), 1),
        ] {
            let steps = NextSteps {
                report,
                checkpoint,
                asked: &Asked::question("Who?", "Ada wrote it."),
                compute: &compute,
            };
            let mut out = Vec::new();
            steps.print(&mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let told: Vec<&str> = text.trim_start().lines().collect();
            assert_eq!((told[0], told.len()), (first.as_str(), 1 + lines), "{text}");
        }
        let steps = NextSteps {
            report: None,
            checkpoint: None,
            asked: &Asked::question("Who?", "Ada wrote it."),
            compute: &compute,
        };
        let mut out: Vec<u8> = Vec::new();
        steps.print(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
