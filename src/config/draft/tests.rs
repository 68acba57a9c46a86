use serde_json::json;

use super::*;

fn resolve(given: Value) -> Config {
    let given = given.as_object().unwrap();
    Config::resolve(Path::new("d"), "m", given).unwrap().0
}

#[test]
fn keys_keep_the_reference_s_defaults() {
    // Two tasks, so that no task's defaults apply; base, so that no size's defaults do.
    let config = resolve(json!({"task_names": ["squad", "newsqa"], "model_size": "base"}));
    let expected = r#"{
            "data_dir": "d", "model_name": "m",
            "debug": false, "log_examples": false, "num_trials": 1, "do_train": true,
            "do_eval": true, "keep_all_models": true, "model_size": "base",
            "task_names": ["squad", "newsqa"], "model_hparam_overrides": {},
            "embedding_size": null, "vocab_size": 30522, "do_lower_case": true,
            "learning_rate": 1e-4, "weight_decay_rate": 0.01, "layerwise_lr_decay": 0.8,
            "num_train_epochs": 3.0, "warmup_proportion": 0.1, "save_checkpoints_steps": 1000000,
            "write_test_outputs": false, "n_writes_test": 5, "max_seq_length": 128,
            "train_batch_size": 32, "eval_batch_size": 32, "predict_batch_size": 32,
            "max_query_length": 64, "doc_stride": 128, "n_best_size": 20, "max_answer_length": 30,
            "answerable_classifier": true, "answerable_uses_start_logits": true,
            "answerable_weight": 0.5, "joint_prediction": true, "beam_size": 20,
            "qa_na_threshold": -2.75,
            "init_checkpoint": "d/models/m", "vocab_file": "d/vocab.txt",
            "raw_data_dir": "d/finetuning_data/{:}",
            "model_dir": "d/models/m/finetuning_models/squad,newsqa_model",
            "results_txt": "d/models/m/results/squad,newsqa_results.txt",
            "qa_eval_file": "d/models/m/results/squad,newsqa_qa/{:}_eval.json",
            "qa_preds_file": "d/models/m/results/squad,newsqa_qa/{:}_preds.json",
            "qa_na_file": "d/models/m/results/squad,newsqa_qa/{:}_null_odds.json",
            "test_predictions": "d/models/m/test_predictions/{:}_{:}_{:}_predictions.json",
            "strip_accents": null, "tokenize_chinese_chars": true,
            "seed": 1, "shuffle": true, "micro_batch_size": null,
            "gradient_checkpointing": "auto", "precision": "auto", "trainable_layers": null,
            "length_bucketing": false, "max_save": 5, "save_checkpoints_secs": 600,
            "log_every": 1, "lr_decay_variant": "released", "lr_schedule": "linear",
            "label_smoothing": 0.0, "optimizer_moments": "f32", "gradient_exchange": "f32",
            "calibrate": false,
            "max_train_examples": null, "max_eval_examples": null, "eval_max_examples": null,
            "eval_every": null, "keep_best": null, "patience": null,
            "iterations_per_loop": 1000, "use_tfrecords_if_existing": true,
            "preprocessed_data_dir": "d/models/m/finetuning_tfrecords/squad,newsqa_tfrecords",
            "results_pkl": "d/models/m/results/squad,newsqa_results.pkl",
            "double_unordered": true
        }"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    let found = config.to_json();
    // Path separators differ between systems.
    let found: Value = serde_json::from_str(&found.to_string().replace("\\\\", "/")).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn a_task_with_qa_in_its_name_has_512_tokens_and_2_epochs() {
    for task in ["squad", "squadv1", "newsqa", "triviaqa", "searchqa"] {
        let config = resolve(json!({"task_names": [task], "write_test_outputs": false}));
        assert_eq!(
            (config.max_seq_length, config.num_train_epochs),
            (512, 2.0),
            "{task}"
        );
    }
    let config = resolve(json!({"task_names": ["naturalqs"]}));
    assert_eq!((config.max_seq_length, config.num_train_epochs), (128, 3.0));
    let config = resolve(json!({"task_names": ["squad", "newsqa"]}));
    assert_eq!((config.max_seq_length, config.num_train_epochs), (128, 3.0));
}

#[test]
fn sizes_change_rate_decay_and_embeddings() {
    let figures = |size: &str| {
        let config = resolve(json!({"task_names": ["squad"], "model_size": size}));
        (
            config.learning_rate,
            config.layerwise_lr_decay,
            config.embedding_size,
        )
    };
    assert_eq!(figures("small"), (1e-4, 0.8, Some(128)));
    assert_eq!(figures("base"), (1e-4, 0.8, None));
    assert_eq!(figures("large"), (5e-5, 0.9, None));
}

#[test]
fn runs_with_folders_of_their_own_have_results_of_their_own() {
    let results = |given: Value| {
        let config = resolve(given);
        let paths = config.paths();
        let path = |path: PathBuf| path.to_string_lossy().replace('\\', "/");
        [
            path(paths.results_txt().to_owned()),
            path(paths.qa_preds("squad")),
            path(paths.report()),
            path(paths.test_predictions("squad", "test", 1)),
        ]
    };
    assert_eq!(
        results(json!({"task_names": ["squad"], "model_dir": "runs/a"})),
        [
            "runs/a_results/squad_results.txt",
            "runs/a_results/squad_qa/squad_preds.json",
            "runs/a_results/squad_report.html",
            "runs/a_results/test_predictions/squad_test_1_predictions.json",
        ]
    );
    let given = json!({
        "task_names": ["squad"], "model_dir": "runs/a", "results_txt": "r/squad_results.txt",
    });
    assert_eq!(results(given)[0], "r/squad_results.txt");
    // The usual folder, given explicitly as in a saved configuration.
    let usual = "d/models/m/finetuning_models/squad_model";
    let given = json!({"task_names": ["squad"], "model_dir": usual});
    assert_eq!(results(given)[0], "d/models/m/results/squad_results.txt");
}

#[test]
fn debug_mode_is_small_and_loads_nothing() {
    let config = resolve(json!({
        "task_names": ["squad"], "debug": true, "model_size": "large",
    }));
    assert_eq!(config.train_batch_size, 32);
    assert_eq!(config.num_train_epochs, 3.0);
    assert_eq!(config.max_seq_length, 512);
    assert!(config.log_examples && !config.use_tfrecords_if_existing);
    assert_eq!((config.num_trials, config.iterations_per_loop), (1, 1));
    assert_eq!(config.init_checkpoint, None);
}

#[test]
fn given_values_win_over_task_size_and_debug() {
    let config = resolve(json!({
        "task_names": ["squad"], "model_size": "large", "debug": true,
        "max_seq_length": 384, "num_train_epochs": 1, "write_test_outputs": true,
        "learning_rate": 3e-4, "layerwise_lr_decay": 0, "embedding_size": 64,
        "train_batch_size": 4, "num_trials": 3, "log_examples": false,
        "init_checkpoint": "elsewhere",
    }));
    assert_eq!((config.max_seq_length, config.num_train_epochs), (384, 1.0));
    assert!(config.write_test_outputs && !config.log_examples);
    assert_eq!(
        (config.learning_rate, config.layerwise_lr_decay),
        (3e-4, 0.0)
    );
    assert_eq!(config.embedding_size, Some(64));
    assert_eq!((config.train_batch_size, config.num_trials), (4, 3));
    assert_eq!(config.init_checkpoint, Some("elsewhere".into()));
    let config = resolve(json!({"task_names": ["squad"], "embedding_size": null}));
    assert_eq!(config.embedding_size, None);
    let config = resolve(json!({"task_names": ["squad"], "init_checkpoint": null}));
    assert_eq!(config.init_checkpoint, None);
}

#[test]
fn a_saved_configuration_makes_the_same_run() {
    let config = resolve(json!({
        "task_names": ["squad"], "model_size": "large", "seed": 7, "use_tpu": true,
        "model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 4},
    }));
    let saved = config.to_json();
    let saved = saved.as_object().unwrap();
    assert!(!saved.contains_key("use_tpu"));
    let (again, warnings) = Config::resolve(Path::new("d"), "m", saved).unwrap();
    assert_eq!(again.to_json(), config.to_json());
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        Config::from_json(saved).unwrap().to_json(),
        config.to_json()
    );
    assert_eq!(serde_json::to_value(&config).unwrap(), config.to_json());
}

#[test]
fn without_a_task_a_misspelt_key_is_told_first() {
    let error = |given: Value| {
        let given = given.as_object().unwrap();
        let error = Draft::new(Path::new("d"), "m", given).unwrap_err();
        error.to_string()
    };
    for key in ["task_nams", "tasks", "task"] {
        assert_eq!(
            error(json!({key: ["squad"]})),
            format!("hyper-parameter {key}: there is no such key; the nearest is task_names")
        );
    }
    let theirs = error(json!({"per_device_train_batch_size": 8}));
    assert!(
        theirs.ends_with("per_device_train_batch_size is train_batch_size"),
        "{theirs}"
    );
}

#[test]
fn what_is_ignored_is_said() {
    let given = json!({
        "task_names": ["squad"], "use_tpu": true, "tpu_name": "t", "data_dir": "elsewhere",
    });
    let (_, warnings) = Config::resolve(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
    assert_eq!(
        warnings,
        [
            "data_dir = \"elsewhere\" is ignored: --data-dir takes precedence",
            "use_tpu, tpu_name ignored: this engine does not run on TPUs",
        ]
    );
}

#[test]
fn tasks_that_are_taken_from_the_model_are_not_told_as_the_reference_s() {
    let mut draft = Draft::new(Path::new("d"), "m", &Map::new()).unwrap();
    let told = |draft: &Draft| draft.finish(None).unwrap().warnings;
    assert_eq!(
        told(&draft),
        ["task_names is not given: chunk, as in the reference"]
    );
    let model = json!({"task_names": ["rte"]});
    draft.take(model.as_object().unwrap());
    assert_eq!(told(&draft), Vec::<String>::new());
    assert_eq!(draft.finish(None).unwrap().config.task_names, ["rte"]);
}
