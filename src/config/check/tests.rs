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
        json!({"precision": "fp16"}),
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
            json!({"task_names": ["squad", "q/s/_1"]}),
            "task_names = q/s/_1: a task's name is that of its folder in finetuning_data: without slashes, \
             backslashes, commas and control characters, and not starting with a dot",
        ),
        (
            json!({"task_names": ["../x"]}),
            "task_names = ../x: a task's name is that of its folder in finetuning_data: without slashes, \
             backslashes, commas and control characters, and not starting with a dot",
        ),
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
            "task_names = squad: each task can be given only once; leave the second out",
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
    let known = "squad, squadv1, newsqa, naturalqs, triviaqa, searchqa, cola, mrpc, mnli, sst, rte, \
                 qnli, qqp, sts, chunk";
    assert_eq!(
        error(json!({"task_names": ["translation"]})),
        format!(
            "task_names: this engine does not train the task \"translation\"; it trains {known}"
        )
    );
    assert!(error(json!({"task_names": ["squad", "xnli"]})).contains("did you mean mnli?"));
    assert_eq!(
        error(json!({"task_names": []})),
        format!("task_names names no task; give one or several of {known}")
    );
    let nothing = Config::resolve(Path::new("d"), "m", &serde_json::Map::new());
    let (config, warnings) = nothing.unwrap();
    assert_eq!(config.task_names, ["chunk"]);
    assert_eq!((config.max_seq_length, config.num_train_epochs), (256, 3.0));
    assert_eq!(
        warnings,
        ["task_names is not given: chunk, as in the reference"]
    );
}

#[test]
fn a_question_that_fills_the_window_is_warned_of() {
    let given = json!({"task_names": ["squad"], "max_seq_length": 64});
    let (_, warnings) = Config::resolve(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
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
