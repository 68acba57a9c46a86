//! Adds hints to clap's usage errors: for hyper-parameters given as flags, and for JSON that a
//! shell has split.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{
    config::{alias, hparam},
    shell::quoted,
};

/// Returns a hint for clap's error on `arguments`, if there is better advice than clap's.
pub fn usage_hint(error: &clap::Error, arguments: &[String]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    split_json(arguments).or_else(|| given_as_flag(unknown, arguments))
}

/// Detects `--hparams {"model_size": "large", …}` as cmd.exe and PowerShell pass it on: without its
/// quotes, split into several words.
fn split_json(arguments: &[String]) -> Option<String> {
    let mut words = arguments.iter();
    let value = loop {
        let word = words.next()?;
        if word == "--hparams" {
            break words.next()?.as_str();
        }
        if let Some(value) = word.strip_prefix("--hparams=") {
            break value;
        }
    };
    let begins = value.trim_start().starts_with(['{', '\'']);
    let is_whole = serde_json::from_str::<serde_json::Value>(value).is_ok();
    (begins && !is_whole).then(|| {
        format!(
            "--hparams got {value} alone: the shell split the JSON; give --set KEY=VALUE instead, or a file \
             that ends in .json"
        )
    })
}

/// Suggests `--set learning_rate=3e-5` for `--learning_rate 3e-5`.
fn given_as_flag(unknown: &str, arguments: &[String]) -> Option<String> {
    let flag = unknown.split_once('=').map_or(unknown, |(flag, _)| flag);
    let name = flag.strip_prefix("--")?.replace('-', "_");
    let key = hparam::list()
        .into_iter()
        .map(|row| row.key)
        .find(|key| *key == name || key.rsplit('.').next() == Some(&name));
    let Some(key) = key else {
        let ours = alias::of(&name)?;
        let is_key = hparam::decides(ours).is_some();
        let value = value_of(flag, arguments);
        return Some(match is_key {
            true => {
                format!(
                    "Hugging Face's {flag} is a hyper-parameter here: --set {ours}={}",
                    quoted(value)
                )
            }
            false => format!("Hugging Face's {flag} is {ours}"),
        });
    };
    let value = value_of(flag, arguments);
    Some(format!(
        "{name} is a hyper-parameter: give --set {key}={}",
        quoted(value)
    ))
}

/// Returns the value after a flag; a flag alone means `true`.
fn value_of(flag: &str, arguments: &[String]) -> String {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if let Some(value) = word
            .strip_prefix(flag)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return value.to_owned();
        }
        if word == flag {
            return match words.next() {
                Some(value) if !value.starts_with("--") => value.clone(),
                _ => "true".to_owned(),
            };
        }
    }
    "VALUE".to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn hint(words: &[&str]) -> Option<String> {
        let run = [
            "electra",
            "finetune",
            "--data-dir",
            "d",
            "--model-name",
            "m",
        ];
        let words: Vec<String> = [&run, words]
            .concat()
            .iter()
            .map(|w| (*w).to_owned())
            .collect();
        let error = Cli::try_parse_from(&words).unwrap_err();
        usage_hint(&error, &words)
    }

    #[test]
    fn hyper_parameters_given_as_flags_are_shown_as_they_are_given_here() {
        for words in [
            &["--learning_rate", "3e-5"][..],
            &["--learning-rate", "3e-5"],
            &["--learning_rate=3e-5"],
            &["--learning-rate=3e-5"],
        ] {
            let expected = "learning_rate is a hyper-parameter: give --set learning_rate=3e-5";
            assert_eq!(hint(words).as_deref(), Some(expected), "{words:?}");
        }
        assert_eq!(
            hint(&["--do_train", "--per_device_train_batch_size", "8"]).as_deref(),
            Some("do_train is a hyper-parameter: give --set do_train=true")
        );
        assert_eq!(
            hint(&["--per_device_train_batch_size", "8"]).as_deref(),
            Some(
                "Hugging Face's --per_device_train_batch_size is a hyper-parameter here: --set \
                 train_batch_size=8"
            )
        );
        assert_eq!(
            hint(&["--max-train-samples=100"]).as_deref(),
            Some(
                "Hugging Face's --max-train-samples is a hyper-parameter here: --set \
                 max_train_examples=100"
            )
        );
        let threshold = hint(&["--null_score_diff_threshold", "0"]).unwrap();
        assert!(
            threshold.contains("qa_na_threshold, with the same sign"),
            "{threshold}"
        );
        let accumulation = hint(&["--gradient_accumulation_steps=4"]).unwrap();
        assert!(accumulation.contains("micro_batch_size"), "{accumulation}");
        assert_eq!(
            hint(&["--num_hidden_layers", "4"]).as_deref(),
            Some(
                "num_hidden_layers is a hyper-parameter: give --set \
                 model_hparam_overrides.num_hidden_layers=4"
            )
        );
        assert_eq!(hint(&["--nonsense", "1"]), None);
    }

    #[test]
    fn json_that_a_shell_took_apart_is_known() {
        for words in [
            &[
                "--hparams",
                "{model_size:",
                "large,",
                "task_names:",
                "[squad]}",
            ][..],
            &["--hparams={model_size:", "large}"],
            &["--hparams", "'{model_size:", "large}'"],
        ] {
            let hint = hint(words).unwrap();
            assert!(
                hint.contains("give --set KEY=VALUE instead"),
                "{words:?}: {hint}"
            );
        }
        assert_eq!(hint(&["--hparams", "{}", "more"]), None);
        assert_eq!(hint(&["--hparams", "h.json", "more"]), None);
    }
}
