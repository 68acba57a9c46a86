//! The list of commands in `electra --help`, in groups.

use clap::Subcommand;

use super::Command;

/// The groups in order, each with its commands.
const GROUPS: &[(&str, &[&str])] = &[
    ("Getting started", &["quickstart", "devices"]),
    (
        "Training",
        &["finetune", "pretrain", "hparams", "features", "bench"],
    ),
    (
        "Evaluation",
        &[
            "evaluate",
            "score",
            "report",
            "runs",
            "compare",
            "calibrate",
        ],
    ),
    ("Inference", &["ask", "predict", "serve"]),
    (
        "Data and models",
        &["data", "vocab", "convert", "inspect", "verify", "export"],
    ),
    ("Shell", &["completions", "man"]),
];

/// clap's help template: the commands in groups, then the flags.
pub(super) fn help_template() -> String {
    let commands = Command::augment_subcommands(clap::Command::new("electra"));
    let about = |name: &str| {
        let command = commands.find_subcommand(name)?;
        Some(command.get_about()?.to_string())
    };
    let names = commands.get_subcommands().map(clap::Command::get_name);
    let width = names.map(str::len).max().unwrap_or(0);
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        template.push_str(&format!("\n{group}:\n"));
        for name in *names {
            if let Some(about) = about(name) {
                template.push_str(&format!("  {name:width$}  {about}\n"));
            }
        }
    }
    template.push_str("\nGlobal options:\n{options}{after-help}");
    template
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::cli::Cli;

    #[test]
    fn every_command_stands_in_a_group_and_global_flags_come_last() {
        let help = Cli::command().render_help().to_string();
        for command in Cli::command().get_subcommands() {
            let line = format!("\n  {} ", command.get_name());
            assert_eq!(help.matches(&line).count(), 1, "{line:?} in {help}");
        }
        let place = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
        assert!(place("quickstart") < place("finetune"));
        assert!(place("completions") < place("--verbose"));
        assert!(place("--verbose") < place("Examples:\n  electra quickstart"));
    }

    #[test]
    fn a_command_s_own_flags_come_before_those_of_all_commands() {
        let mut electra = Cli::command();
        electra.build();
        for command in electra.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            let Some(global) = help.find("Global options:") else {
                continue;
            };
            let after = help[global..].split("\nExample").next().unwrap();
            let flags = after
                .lines()
                .filter(|line| line.trim_start().starts_with('-'))
                .count();
            assert_eq!(flags, 5, "{help}");
        }
    }
}
