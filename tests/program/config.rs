//! Tests the whole table of hyper-parameters, and configurations parsed from user input.

use std::{collections::HashSet, path::Path};

use electra::config::{Config, LrDecayVariant, Source, given, hparam};
use serde_json::{Value, json};

use crate::support::golden;

fn resolve(hparams: &str, sets: &[&str]) -> Result<(Config, Vec<String>), String> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    given::read(Some(hparams), &sets)
        .and_then(|given| Config::resolve(Path::new("data"), "electra_large", &given))
        .map_err(|e| e.to_string())
}

#[test]
fn every_key_is_described_once() {
    let rows = hparam::list();
    let keys: HashSet<_> = rows.iter().map(|row| &row.key).collect();
    assert_eq!(keys.len(), rows.len());
    assert_eq!(rows.len(), Config::KEYS.len() + 12);
    for row in &rows {
        assert!(
            row.meaning.ends_with('.') && row.meaning.len() > 10,
            "{row:?}"
        );
        assert!(!row.expected.is_empty(), "{row:?}");
    }
    let row = |key: &str| rows.iter().find(|row| row.key == key).unwrap();
    let rate = row("learning_rate");
    assert_eq!(
        (&rate.default, rate.source),
        (&json!(1e-4), Source::Reference)
    );
    assert_eq!(rate.expected, "a number");
    assert_eq!(row("shuffle").source, Source::Engine);
    assert_eq!(row("iterations_per_loop").source, Source::NoEffect);
    assert_eq!(row("num_tpu_cores").source, Source::Tpu);
    assert_eq!(
        row("model_hparam_overrides.hidden_size").default,
        Value::Null
    );
}

#[test]
fn every_default_is_a_value_of_its_own_key() {
    for row in hparam::list() {
        let mut given = json!({"task_names": ["squad"]});
        match row.key.strip_prefix("model_hparam_overrides.") {
            Some(inner) => given["model_hparam_overrides"] = json!({inner: row.default}),
            None => given[&row.key] = row.default.clone(),
        }
        let given = given.as_object().unwrap();
        let resolved = Config::resolve(Path::new(""), "m", given);
        assert!(resolved.is_ok(), "{}: {:?}", row.key, resolved.err());
    }
}

#[test]
fn a_whole_command_line_becomes_a_run() {
    let (config, warnings) = resolve(
        r#"{"model_size": "large", "train_batch_size": 16, "tpu_name": "x"}"#,
        &[
            "task_names=squad",
            "train_batch_size=8",
            "model_hparam_overrides.hidden_size=128",
            "lr_decay_variant=paper",
        ],
    )
    .unwrap();
    assert_eq!(config.task_names, ["squad"]);
    assert_eq!((config.train_batch_size, config.learning_rate), (8, 5e-5));
    assert_eq!((config.max_seq_length, config.num_train_epochs), (512, 2.0));
    assert_eq!(config.lr_decay_variant, LrDecayVariant::Paper);
    let encoder = config.encoder();
    assert_eq!(
        (encoder.num_attention_heads, encoder.intermediate_size),
        (2, 512)
    );
    assert_eq!(
        warnings,
        ["tpu_name ignored: this engine does not run on TPUs"]
    );
    assert_eq!(
        config.paths().model_dir(2),
        Path::new("data/models/electra_large/finetuning_models/squad_model_2")
    );
}

#[test]
fn the_fork_s_settings_are_not_the_defaults() {
    let (config, _) = resolve("{}", &["task_names=squad", "model_size=large"]).unwrap();
    assert_eq!(
        (config.num_trials, config.keep_all_models, config.max_save),
        (1, true, 5)
    );
    assert_eq!((config.train_batch_size, config.eval_batch_size), (32, 32));
    assert_eq!(config.trainable_layers, None);
}

#[test]
fn mistakes_are_explained_before_anything_runs() {
    for (sets, message) in [
        (
            ["task_names=squad", "epochs=3"],
            "hyper-parameter epochs: there is no such key; the nearest is num_train_epochs",
        ),
        (
            ["task_names=squad", "learning-rate=3e-5"],
            "hyper-parameter learning-rate: there is no such key; the nearest is learning_rate",
        ),
        (
            ["task_names=squad", "num_epochs=3"],
            "hyper-parameter num_epochs: there is no such key; Hugging Face's num_epochs is num_train_epochs",
        ),
        (
            ["task_names=squad", "per_device_train_batch_size=8"],
            "hyper-parameter per_device_train_batch_size: there is no such key; Hugging Face's \
             per_device_train_batch_size is train_batch_size",
        ),
        (
            ["task_names=squad", "max_train_samples=8"],
            "hyper-parameter max_train_samples: there is no such key; Hugging Face's max_train_samples \
             is max_train_examples",
        ),
        (
            ["task_names=squad", "null-score-diff-threshold=0"],
            "hyper-parameter null-score-diff-threshold: there is no such key; Hugging Face's \
             null-score-diff-threshold is qa_na_threshold, with the same sign but on another scale",
        ),
        (
            ["task_names=squad", "warmup_proportion=2"],
            "hyper-parameter warmup_proportion = 2: must be from 0 to 1",
        ),
        (
            ["task_names=squad", "num_train_epochs=two"],
            "hyper-parameter num_train_epochs = \"two\": expected a number",
        ),
        (
            ["task_names=translation", "debug=true"],
            "task_names: this engine does not train the task \"translation\"; it trains squad, ",
        ),
    ] {
        let found = resolve("{}", &sets).unwrap_err();
        assert!(found.starts_with(message), "{found}");
    }
}

/// In debug mode the reference chooses the initial model before it notices debug mode, so it needs
/// a model of that size; here the weights are initialised randomly.
const OTHERWISE: &[(&str, &str)] = &[("debug rte", "init_checkpoint")];

#[test]
fn every_task_and_size_resolves_as_in_the_reference() {
    let text = std::fs::read_to_string(golden("glue/config.json")).unwrap();
    let runs: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(runs.len(), 40);
    let (mut compared, mut differing) = (0, Vec::new());
    for (run, theirs) in &runs {
        let (size, tasks) = run.split_once(' ').unwrap();
        let tasks: Vec<&str> = tasks.split(',').collect();
        let given = match size {
            "debug" => json!({"task_names": tasks, "debug": true}),
            size => json!({"task_names": tasks, "model_size": size}),
        };
        let (config, _) =
            Config::resolve(Path::new("DATA"), "M", given.as_object().unwrap()).unwrap();
        let ours = config.to_json();
        for (key, value) in theirs.as_object().unwrap() {
            let expected = match value {
                Value::String(text) => {
                    let text = text.replace("<data-dir>", "DATA");
                    Value::from(text.replace("<model-name>", "M"))
                }
                value => value.clone(),
            };
            // Keys without meaning here: TPUs, overrides that are not given.
            let Some(ours) = ours.get(key) else { continue };
            compared += 1;
            if *ours != expected {
                differing.push((run.as_str(), key.as_str()));
            }
        }
    }
    assert_eq!(differing, OTHERWISE);
    assert!(compared > 430, "{compared}");
}
