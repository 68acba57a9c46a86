//! Flags of every command that works on a run: its folders and its hyper-parameters.

use std::path::{Path, PathBuf};

use clap::{
    Args,
    builder::{PossibleValuesParser, StringValueParser, TypedValueParser},
};
use serde_json::{Map, Value};

use super::suggested::suggested;
use crate::{
    config::{self, Draft, Precision, Preset, given, hparam},
    device::ByteSize,
    finetune::trial_folder::tasks_in_order,
    progress::Progress,
};

/// A run and its hyper-parameters.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Data folder: models are in DIR/models, task data in DIR/finetuning_data
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Name of the pre-trained model, a folder in DIR/models
    #[arg(long, value_name = "NAME")]
    pub model_name: String,
    /// Named set of hyper-parameters, listed by `electra hparams`; --hparams and --set override it
    #[arg(long, value_name = "NAME", value_parser = parse_preset())]
    pub preset: Option<Preset>,
    #[command(flatten)]
    pub given: GivenArgs,
}

/// Hyper-parameters as the user gives them.
#[derive(Debug, Clone, Default, Args)]
pub struct GivenArgs {
    /// Hyper-parameters, as JSON text or the path of a .json file; // and /* */ comments are allowed
    #[arg(long, value_name = "JSON|FILE.json")]
    pub hparams: Option<String>,
    /// Set one hyper-parameter, without JSON quoting; overrides --hparams; may be repeated
    #[arg(
        long = "set",
        value_name = "KEY=VALUE",
        value_parser = suggested(StringValueParser::new(), hparam::assignments()),
        hide_possible_values = true
    )]
    pub sets: Vec<String>,
}

impl GivenArgs {
    /// Whether no hyper-parameter is given.
    pub fn is_empty(&self) -> bool {
        self.hparams.is_none() && self.sets.is_empty()
    }

    /// The file given by `--hparams`, if it is a file.
    pub fn file(&self) -> Option<&Path> {
        let file = self.hparams.as_deref();
        file.filter(|text| text.ends_with(".json")).map(Path::new)
    }

    /// The hyper-parameters from all flags; `precision` is that of `--precision`, which takes precedence.
    ///
    /// # Errors
    /// If the text is not JSON or the file cannot be read.
    pub fn read(&self, precision: Option<Precision>) -> Result<Map<String, Value>, config::Error> {
        let mut given = given::read(self.hparams.as_deref(), &self.sets)?;
        if let Some(precision) = precision {
            given.insert("precision".to_owned(), precision.word().into());
        }
        Ok(given)
    }
}

impl RunArgs {
    /// The run, as far as it is known without its checkpoint.
    ///
    /// # Errors
    /// If a hyper-parameter is unknown or wrong.
    pub fn draft(&self, precision: Option<Precision>) -> Result<Draft, config::Error> {
        let mut given = self.preset.map(Preset::hparams).unwrap_or_default();
        given.extend(self.given.read(precision)?);
        Draft::new(&self.data_dir, &self.model_name, &given)
    }

    /// The same for an existing run: its tasks may be given in a different order.
    ///
    /// # Errors
    /// As [`RunArgs::draft`].
    pub fn draft_of_made(
        &self,
        precision: Option<Precision>,
        progress: &Progress,
    ) -> Result<Draft, config::Error> {
        let draft = self.draft(precision)?;
        let Some(order) = tasks_in_order(&draft.model_dir(1), draft.task_names()) else {
            return Ok(draft);
        };
        progress.note(&format!(
            "task_names in the order of the run: {}",
            order.join(",")
        ));
        let mut given = self.preset.map(Preset::hparams).unwrap_or_default();
        given.extend(self.given.read(precision)?);
        given.insert("task_names".to_owned(), order.into());
        Draft::new(&self.data_dir, &self.model_name, &given)
    }

    /// The memory budget: `flag`, else the preset's.
    pub fn memory_budget(&self, flag: Option<ByteSize>) -> Option<ByteSize> {
        flag.or(self.preset.and_then(Preset::memory_budget).map(ByteSize))
    }
}

pub(super) fn parse_preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::WORDS).try_map(|word| word.parse::<Preset>())
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;
    use crate::config::Config;

    fn parse(arguments: &[&str]) -> Result<RunArgs, String> {
        let command = RunArgs::augment_args(Command::new("c"));
        let matches = command
            .try_get_matches_from([&["c"], arguments].concat())
            .map_err(|e| e.to_string())?;
        Ok(RunArgs::from_arg_matches(&matches).unwrap())
    }

    fn resolve(args: &RunArgs, precision: Option<Precision>) -> Config {
        args.draft(precision).unwrap().finish(None).unwrap().config
    }

    #[test]
    fn flags_become_a_configuration() {
        let args = parse(&[
            "--data-dir",
            "d",
            "--model-name",
            "m",
            "--hparams",
            r#"{"task_names": ["squad"], "model_size": "large", "precision": "f32"}"#,
            "--set",
            "train_batch_size=16",
            "--set",
            "model_hparam_overrides.num_hidden_layers=4",
        ])
        .unwrap();
        let config = resolve(&args, None);
        assert_eq!((config.train_batch_size, config.learning_rate), (16, 5e-5));
        assert_eq!(config.encoder().num_hidden_layers, 4);
        assert_eq!(config.precision, Precision::F32);
        assert_eq!(
            resolve(&args, Some(Precision::F16)).precision,
            Precision::F16
        );
    }

    #[test]
    fn whatever_is_given_wins_over_the_preset() {
        let folders = ["--data-dir", "d", "--model-name", "m", "--preset", "fork"];
        let args = parse(&[&folders[..], &["--set", "num_trials=1"]].concat()).unwrap();
        let config = resolve(&args, None);
        assert_eq!((config.train_batch_size, config.num_trials), (4, 1));
        assert_eq!(config.trainable_layers, Some(8));
        assert_eq!(args.memory_budget(None), None);
        let args = parse(&[&folders[..5], &["large-8gb"]].concat()).unwrap();
        assert_eq!(args.memory_budget(None), Some(ByteSize(7 << 30)));
        assert_eq!(args.memory_budget(Some(ByteSize(1))), Some(ByteSize(1)));
        let message = parse(&[&folders[..5], &["large"]].concat()).unwrap_err();
        assert!(message.contains("large-8gb, large-16gb"), "{message}");
    }

    #[test]
    fn folders_must_be_given() {
        let message = parse(&["--data-dir", "d"]).unwrap_err();
        assert!(message.contains("--model-name <NAME>"), "{message}");
    }
}
