//! Values that have the right type and still make no run.

use super::{error::Error, hparam::Config};
use crate::tasks::registry;

/// Only typos exceed these; below them, products of sizes cannot overflow.
const MOST_EPOCHS: f64 = 1e6;
const MOST: &[(&str, usize)] = &[
    ("train_batch_size", 1 << 16),
    ("eval_batch_size", 1 << 16),
    ("predict_batch_size", 1 << 16),
    ("vocab_size", 1 << 24),
    ("embedding_size", 1 << 14),
    ("hidden_size", 1 << 14),
    ("intermediate_size", 1 << 16),
    ("num_hidden_layers", 1 << 10),
    ("max_position_embeddings", 1 << 16),
    ("type_vocab_size", 1 << 16),
];

/// Checks `value` against the most that `key` may be; only its last part, after a dot, counts.
fn check_most(key: &str, value: usize) -> Result<(), Error> {
    let name = key.rsplit('.').next().unwrap_or(key);
    match MOST.iter().find(|(most, _)| *most == name) {
        Some(&(_, most)) if value > most => {
            let must = format!("must be at most {most}");
            Err(Error::out_of_range(key, value, must))
        }
        _ => Ok(()),
    }
}

/// The error for a run that names no task.
pub(super) fn no_task() -> Error {
    Error::NoTask {
        known: registry::names(),
    }
}

/// Checks the resolved values and adds what the user should be told to `warnings`.
///
/// # Errors
/// The first value that is out of range, with what it must be.
pub(super) fn check(config: &Config, warnings: &mut Vec<String>) -> Result<(), Error> {
    check_numbers(config)?;
    check_encoder(config)?;
    let length = config.max_seq_length;
    if length < config.max_query_length.saturating_add(4) {
        warnings.push(format!(
            "max_seq_length = {length} leaves no room for a passage beside a question of \
             max_query_length = {} tokens",
            config.max_query_length
        ));
    }
    Ok(())
}

/// Checks the names of the model and of the tasks.
pub(super) fn check_tasks(config: &Config) -> Result<(), Error> {
    if config.model_name.is_empty() {
        return Err(Error::NoModelName {
            models: config.data_dir.join("models"),
        });
    }
    if config.task_names.is_empty() {
        return Err(no_task());
    }
    for (i, task) in config.task_names.iter().enumerate() {
        if registry::find(task).is_none() {
            return Err(Error::UnknownTask {
                task: super::error::shorten(task),
                meant: registry::meant(task).map_or(String::new(), |task| {
                    format!(" (did you mean {}?)", task.name)
                }),
                known: registry::names(),
            });
        }
        if config.task_names[..i].contains(task) {
            let must = "each task can be learnt once; leave the second out";
            return Err(Error::out_of_range("task_names", task, must));
        }
    }
    Ok(())
}

fn check_numbers(config: &Config) -> Result<(), Error> {
    let at_least_1 = [
        ("num_trials", config.num_trials as u64),
        ("vocab_size", config.vocab_size as u64),
        ("train_batch_size", config.train_batch_size as u64),
        ("eval_batch_size", config.eval_batch_size as u64),
        ("predict_batch_size", config.predict_batch_size as u64),
        ("max_query_length", config.max_query_length as u64),
        ("doc_stride", config.doc_stride as u64),
        ("n_best_size", config.n_best_size as u64),
        ("max_answer_length", config.max_answer_length as u64),
        ("beam_size", config.beam_size as u64),
        ("save_checkpoints_steps", config.save_checkpoints_steps),
        ("log_every", config.log_every),
        ("max_save", config.max_save as u64),
        ("embedding_size", config.embedding_size.unwrap_or(1) as u64),
        (
            "micro_batch_size",
            config.micro_batch_size.unwrap_or(1) as u64,
        ),
    ];
    for (key, value) in at_least_1 {
        if value == 0 {
            return Err(Error::out_of_range(key, value, "must be at least 1"));
        }
    }
    for (key, value) in [
        ("train_batch_size", config.train_batch_size),
        ("eval_batch_size", config.eval_batch_size),
        ("predict_batch_size", config.predict_batch_size),
        ("embedding_size", config.embedding_size.unwrap_or(1)),
        ("vocab_size", config.vocab_size),
    ] {
        check_most(key, value)?;
    }
    for (key, value) in [
        ("learning_rate", config.learning_rate),
        ("weight_decay_rate", config.weight_decay_rate),
        ("answerable_weight", config.answerable_weight),
    ] {
        if value < 0.0 {
            return Err(Error::out_of_range(key, value, "must not be negative"));
        }
    }
    if config.do_train && config.num_train_epochs <= 0.0 {
        return Err(Error::out_of_range(
            "num_train_epochs",
            config.num_train_epochs,
            "must be above 0; give do_train=false to evaluate only",
        ));
    }
    if config.num_train_epochs > MOST_EPOCHS {
        return Err(Error::out_of_range(
            "num_train_epochs",
            config.num_train_epochs,
            format!("must be at most {MOST_EPOCHS}"),
        ));
    }
    if !(0.0..=1.0).contains(&config.warmup_proportion) {
        return Err(Error::out_of_range(
            "warmup_proportion",
            config.warmup_proportion,
            "must be from 0 to 1",
        ));
    }
    Ok(())
}

fn check_encoder(config: &Config) -> Result<(), Error> {
    let overrides = &config.model_hparam_overrides;
    if let Some(activation) = &overrides.hidden_act
        && activation != "gelu"
    {
        return Err(Error::out_of_range(
            "model_hparam_overrides.hidden_act",
            activation,
            "this engine has only \"gelu\", which all released models use",
        ));
    }
    let encoder = config.encoder();
    for (key, value) in [
        ("vocab_size", encoder.vocab_size),
        ("hidden_size", encoder.hidden_size),
        ("num_hidden_layers", encoder.num_hidden_layers),
        ("num_attention_heads", encoder.num_attention_heads),
        ("intermediate_size", encoder.intermediate_size),
        ("max_position_embeddings", encoder.max_position_embeddings),
    ] {
        let key = format!("model_hparam_overrides.{key}");
        if value == 0 {
            return Err(Error::out_of_range(&key, value, "must be at least 1"));
        }
        check_most(&key, value)?;
    }
    check_most(
        "model_hparam_overrides.type_vocab_size",
        encoder.type_vocab_size,
    )?;
    if encoder.type_vocab_size < 2 {
        return Err(Error::out_of_range(
            "model_hparam_overrides.type_vocab_size",
            encoder.type_vocab_size,
            "must be at least 2: question and passage are two segments",
        ));
    }
    for (key, value) in [
        ("hidden_dropout_prob", encoder.hidden_dropout_prob),
        (
            "attention_probs_dropout_prob",
            encoder.attention_probs_dropout_prob,
        ),
    ] {
        if !(0.0..1.0).contains(&value) {
            let key = format!("model_hparam_overrides.{key}");
            return Err(Error::out_of_range(
                &key,
                value,
                "must be from 0 to below 1",
            ));
        }
    }
    if !(encoder.layer_norm_eps > 0.0 && encoder.layer_norm_eps < 1.0) {
        return Err(Error::out_of_range(
            "model_hparam_overrides.layer_norm_eps",
            encoder.layer_norm_eps,
            "must be above 0 and below 1",
        ));
    }
    if encoder.initializer_range < 0.0 {
        return Err(Error::out_of_range(
            "model_hparam_overrides.initializer_range",
            encoder.initializer_range,
            "must not be negative",
        ));
    }
    let (hidden, heads) = (encoder.hidden_size, encoder.num_attention_heads);
    if hidden % heads != 0 {
        return Err(Error::out_of_range(
            "model_hparam_overrides.hidden_size",
            hidden,
            format!("must be a multiple of the number of attention heads, {heads}"),
        ));
    }
    let positions = encoder.max_position_embeddings;
    // [CLS], [SEP], [SEP], a token of the question and one of the passage.
    if !(5..=positions).contains(&config.max_seq_length) {
        return Err(Error::out_of_range(
            "max_seq_length",
            config.max_seq_length,
            format!(
                "must be from 5 to {positions}, the positions that the model has \
                 (max_position_embeddings)"
            ),
        ));
    }
    if let Some(layers) = config.trainable_layers
        && layers > encoder.num_hidden_layers
    {
        return Err(Error::out_of_range(
            "trainable_layers",
            layers,
            format!(
                "the model has {} layers; null trains all of them and the embeddings",
                encoder.num_hidden_layers
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn error(mut given: Value) -> String {
        if given.get("task_names").is_none() {
            given["task_names"] = json!(["squad"]);
        }
        let given = given.as_object().unwrap();
        Config::resolve(Path::new("d"), "m", given)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        assert_eq!(
            error(json!({"learning_rat": 1})),
            "hyper-parameter learning_rat: there is no such key; the nearest is learning_rate"
        );
        assert!(error(json!({"train_batchsize": 1})).ends_with("the nearest is train_batch_size"));
        assert!(
            error(json!({"hidden_size": 128}))
                .ends_with("the nearest is model_hparam_overrides.hidden_size")
        );
        assert_eq!(
            error(json!({"model_hparam_overrides": {"num_layers": 3}})),
            "hyper-parameter model_hparam_overrides.num_layers: there is no such key; the nearest \
             is model_hparam_overrides.num_hidden_layers"
        );
    }

    #[test]
    fn a_wrong_type_names_key_value_and_type() {
        assert_eq!(
            error(json!({"train_batch_size": "many"})),
            "hyper-parameter train_batch_size = \"many\": expected a whole number, not negative"
        );
        assert_eq!(
            error(json!({"model_size": "huge"})),
            "hyper-parameter model_size = \"huge\": expected \"small\" or \"base\" or \"large\""
        );
        assert_eq!(
            error(json!({"embedding_size": true})),
            "hyper-parameter embedding_size = true: expected a whole number, not negative, or null"
        );
        assert_eq!(
            error(json!({"model_hparam_overrides": {"hidden_size": 1.5}})),
            "hyper-parameter model_hparam_overrides.hidden_size = 1.5: expected a whole number, \
             not negative, or null"
        );
        for given in [
            json!({"debug": 1}),
            json!({"learning_rate": "fast"}),
            json!({"learning_rate": null}),
            json!({"seed": -1}),
            json!({"max_seq_length": 128.5}),
            json!({"task_names": [1]}),
            json!({"model_dir": 3}),
            json!({"model_hparam_overrides": [1]}),
            json!({"precision": "bf16"}),
            json!({"optimizer_moments": "f16"}),
            json!({"use_tpu": "yes"}),
        ] {
            assert!(error(given.clone()).contains(": expected "), "{given}");
        }
    }

    #[test]
    fn numbers_are_as_lenient_as_python_s() {
        let given = json!({
            "task_names": "squad, newsqa", "learning_rate": 1, "save_checkpoints_steps": 1e6,
            "gradient_checkpointing": true,
        });
        let (config, _) = Config::resolve(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
        assert_eq!(config.task_names, ["squad", "newsqa"]);
        assert_eq!(config.learning_rate, 1.0);
        assert_eq!(config.save_checkpoints_steps, 1_000_000);
        assert_eq!(config.gradient_checkpointing.word(), "on");
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (given, expected) in [
            (
                json!({"train_batch_size": 0}),
                "train_batch_size = 0: must be at least 1",
            ),
            (
                json!({"doc_stride": 0}),
                "doc_stride = 0: must be at least 1",
            ),
            (
                json!({"micro_batch_size": 0}),
                "micro_batch_size = 0: must be at least 1",
            ),
            (
                json!({"warmup_proportion": 1.5}),
                "warmup_proportion = 1.5: must be from 0 to 1",
            ),
            (
                json!({"warmup_proportion": -0.1}),
                "warmup_proportion = -0.1: must be from 0 to 1",
            ),
            (
                json!({"learning_rate": -1}),
                "learning_rate = -1: must not be negative",
            ),
            (
                json!({"max_seq_length": 513}),
                "max_seq_length = 513: must be from 5 to 512, the positions that the model has \
                 (max_position_embeddings)",
            ),
            (
                json!({"num_train_epochs": 0}),
                "num_train_epochs = 0: must be above 0; give do_train=false to evaluate only",
            ),
            (
                json!({"trainable_layers": 13}),
                "trainable_layers = 13: the model has 12 layers; null trains all of them and the \
                 embeddings",
            ),
            (
                json!({"model_hparam_overrides": {"hidden_act": "relu"}}),
                "model_hparam_overrides.hidden_act = relu: this engine has only \"gelu\", which \
                 all released models use",
            ),
            (
                json!({"model_hparam_overrides": {"hidden_size": 193}}),
                "model_hparam_overrides.hidden_size = 193: must be a multiple of the number of \
                 attention heads, 3",
            ),
            (
                json!({"model_hparam_overrides": {"hidden_size": 0}}),
                "model_hparam_overrides.hidden_size = 0: must be at least 1",
            ),
            (
                json!({"model_hparam_overrides": {"hidden_dropout_prob": 1}}),
                "model_hparam_overrides.hidden_dropout_prob = 1: must be from 0 to below 1",
            ),
            (
                json!({"task_names": ["squad", "squad"]}),
                "task_names = squad: each task can be learnt once; leave the second out",
            ),
        ] {
            assert_eq!(error(given), format!("hyper-parameter {expected}"));
        }
    }

    #[test]
    fn a_longer_input_needs_more_positions() {
        let given = json!({
            "task_names": ["squad"], "max_seq_length": 600,
            "model_hparam_overrides": {"max_position_embeddings": 600},
        });
        let (config, warnings) =
            Config::resolve(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
        assert_eq!(config.encoder().max_position_embeddings, 600);
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn tasks_must_be_named_and_known() {
        let known = "squad, squadv1, newsqa, naturalqs, triviaqa, searchqa";
        assert_eq!(
            error(json!({"task_names": ["chunk"]})),
            format!("task_names: this engine does not train the task \"chunk\"; it trains {known}")
        );
        assert!(error(json!({"task_names": ["squad", "mnli"]})).contains("the task \"mnli\""));
        let nothing = Config::resolve(Path::new("d"), "m", &serde_json::Map::new()).unwrap_err();
        assert_eq!(
            nothing.to_string(),
            format!(
                "task_names is not given (its default, \"chunk\", is no question answering); give \
                 {known}"
            )
        );
        assert_eq!(error(json!({"task_names": []})), nothing.to_string());
    }

    #[test]
    fn a_question_that_fills_the_window_is_warned_of() {
        let given = json!({"task_names": ["squad"], "max_seq_length": 64});
        let (_, warnings) =
            Config::resolve(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
        assert_eq!(
            warnings,
            [
                "max_seq_length = 64 leaves no room for a passage beside a question of \
              max_query_length = 64 tokens"
            ]
        );
    }

    #[test]
    fn a_model_has_a_name() {
        let given = json!({"task_names": ["squad"]});
        let error = Config::resolve(Path::new("d"), "", given.as_object().unwrap()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the model's name is empty; give")
        );
    }
}
