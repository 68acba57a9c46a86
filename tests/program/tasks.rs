//! Tests runs of tasks other than question answering: one task, several at once, user-defined ones.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::golden;

/// A data folder with a tiny model and the data of some tasks.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("models/m");
        let zip = golden("models/electra_tiny_projected.zip");
        checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
        let run = Self(folder);
        for file in ["train.tsv", "dev.tsv", "test.tsv"] {
            run.put("rte", file, &golden(&format!("glue/rte/{file}")));
            run.put("sts", file, &golden(&format!("glue/sts/{file}")));
        }
        for file in ["train.txt", "dev.txt"] {
            run.put("chunk", file, &golden(&format!("chunk/data/{file}")));
        }
        run
    }

    fn task(&self, task: &str) -> PathBuf {
        let folder = self.0.path().join("finetuning_data").join(task);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn put(&self, task: &str, name: &str, from: &Path) {
        fs::copy(from, self.task(task).join(name)).unwrap();
    }

    fn write(&self, task: &str, name: &str, text: &str) {
        fs::write(self.task(task).join(name), text).unwrap();
    }

    fn models(&self) -> PathBuf {
        self.0.path().join("models/m")
    }

    fn finetune(&self, hparams: &Value, more: &[&str]) -> Output {
        let mut all = json!({"train_batch_size": 8, "max_seq_length": 64, "num_train_epochs": 1});
        all.as_object_mut()
            .unwrap()
            .extend(hparams.as_object().unwrap().clone());
        Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([
                "finetune",
                "--device",
                "cpu",
                "--model-name",
                "m",
                "--data-dir",
            ])
            .arg(self.0.path())
            .args(["--hparams", &all.to_string()])
            .args(more)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn train(&self, hparams: &Value, more: &[&str]) -> String {
        let output = self.finetune(hparams, more);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        stderr
    }

    #[track_caller]
    fn refuse(&self, hparams: &Value) -> String {
        let output = self.finetune(hparams, &[]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        stderr
    }

    fn json(&self, file: &str) -> Value {
        let text = fs::read_to_string(self.models().join(file)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.models().join(file)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

#[test]
fn a_classification_run_leaves_what_the_reference_leaves() {
    let folder = Folder::new();
    let hparams = json!({"task_names": ["rte"], "write_test_outputs": true, "num_trials": 2});
    folder.train(&hparams, &[]);
    let text = fs::read_to_string(folder.models().join("results/rte_results.txt")).unwrap();
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}")
    };
    for line in [first, second] {
        assert!(
            line.starts_with("rte: accuracy: ") && line.contains(" - loss: "),
            "{line}"
        );
    }
    let results = folder.json("results/rte_results.json");
    let predictions = folder.lines("results/rte_predictions/rte_dev.jsonl");
    assert_eq!(
        predictions.len(),
        27 - 3,
        "of 27 rows 3 have too few columns"
    );
    let right = predictions
        .iter()
        .filter(|line| line["label_id"] == line["prediction"]);
    let accuracy = 100.0 * right.count() as f64 / predictions.len() as f64;
    assert_eq!(results[1]["rte"]["accuracy"].as_f64(), Some(accuracy));
    assert!(
        folder
            .models()
            .join("results/rte_predictions/rte_dev_1.jsonl")
            .is_file()
    );
    assert!(folder.models().join("results/rte_report.html").is_file());
    let config = folder.json("finetuning_models/rte_model_1/config.json");
    assert_eq!(
        config["heads"],
        json!({"rte": {
            "outputs": 2, "labels": ["entailment", "not_entailment"], "kind": "classification",
            "texts": 2,
        }})
    );
    let tests = folder.json("test_predictions/rte_test_2_predictions.json");
    assert_eq!(tests.as_object().unwrap().len(), 11);
    let submitted = folder.models().join("test_predictions/glue_1/RTE.tsv");
    let submitted = fs::read_to_string(submitted).unwrap();
    let mut lines = submitted.lines();
    assert_eq!(lines.next(), Some("index\tprediction"));
    for line in lines {
        assert!(
            line.ends_with("\tentailment") || line.ends_with("\tnot_entailment"),
            "{line}"
        );
    }

    // A finished run is not trained again; a model of another kind cannot be asked.
    let told = folder.train(&hparams, &[]);
    assert!(told.contains("finished"), "{told}");
    let asked = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args([
            "ask",
            "--question",
            "Who?",
            "--passage",
            "Ada.",
            "--device",
            "cpu",
            "--checkpoint",
        ])
        .arg(folder.models().join("finetuning_models/rte_model_1"))
        .output()
        .unwrap();
    let told = String::from_utf8(asked.stderr).unwrap();
    assert_eq!(asked.status.code(), Some(2), "{told}");
    assert!(
        told.contains("found one of rte (two texts); give --text"),
        "{told}"
    );
}

/// Returns the bytes of the records and of the results, by name.
fn left(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let models = folder.models();
    let mut files = BTreeMap::new();
    let names = [
        "finetuning_models/sts,chunk,squad_model_1/model.bpk",
        "results/sts,chunk,squad_results.txt",
        "results/sts,chunk,squad_predictions/sts_dev.jsonl",
        "results/sts,chunk,squad_predictions/chunk_dev.jsonl",
        "results/sts,chunk,squad_qa/squad_preds.json",
        "test_predictions/sts_test_1_predictions.json",
        "test_predictions/glue_1/STS-B.tsv",
        "test_predictions/squad_test_1_predictions.json",
    ];
    for name in names {
        files.insert(name.to_owned(), fs::read(models.join(name)).unwrap());
    }
    files
}

#[test]
fn several_tasks_at_once_go_on_after_a_kill_as_if_never_stopped() {
    let hparams = json!({
        "task_names": ["sts", "chunk", "squad"], "save_checkpoints_steps": 2,
        "num_train_epochs": 0.5, "write_test_outputs": true,
    });
    let with_squad = || {
        let folder = Folder::new();
        folder.put("squad", "test.json", &golden("data/squad2-tiny.dev.json"));
        for split in ["train", "dev"] {
            let file = golden(&format!("data/squad2-tiny.{split}.json"));
            folder.put("squad", &format!("{split}.json"), &file);
        }
        folder
    };
    let whole = with_squad();
    let began = Instant::now();
    whole.train(&hparams, &[]);
    let length = began.elapsed();
    let log = whole.lines("finetuning_models/sts,chunk,squad_model_1/train_log.jsonl");
    for line in &log {
        let losses = line["task_losses"].as_object().unwrap();
        let sum: f64 = losses.values().map(|loss| loss.as_f64().unwrap()).sum();
        assert_eq!(losses.keys().collect::<Vec<_>>(), ["chunk", "squad", "sts"]);
        assert!(
            (sum - line["loss"].as_f64().unwrap()).abs() < 1e-9,
            "{line}"
        );
    }
    let text = String::from_utf8(left(&whole)["results/sts,chunk,squad_results.txt"].clone());
    let tasks: Vec<String> = text
        .unwrap()
        .lines()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(tasks, ["sts", "chunk", "squad"]);

    let killed = with_squad();
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([
                "finetune",
                "--device",
                "cpu",
                "--model-name",
                "m",
                "--data-dir",
            ])
            .arg(killed.0.path())
            .args([
                "--set",
                "train_batch_size=8",
                "--set",
                "max_seq_length=64",
                "--hparams",
            ])
            .arg(hparams.to_string())
            .spawn()
            .unwrap()
    };
    let mut child = start();
    let model_dir = killed
        .models()
        .join("finetuning_models/sts,chunk,squad_model_1");
    crate::support::small_run::wait_for(&model_dir.join("checkpoint-4"));
    child.kill().unwrap();
    child.wait().unwrap();
    // ELECTRA_KILLS requests more than a routine test has time for.
    let kills = std::env::var("ELECTRA_KILLS").ok();
    let kills: usize = kills.and_then(|kills| kills.parse().ok()).unwrap_or(1);
    let mut random = ChaCha8Rng::seed_from_u64(16);
    for _ in 1..kills {
        let mut child = start();
        std::thread::sleep(length.mul_f64(random.random_range(0.0..0.5)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    killed.train(&hparams, &[]);
    assert!(left(&killed) == left(&whole), "other bytes after a kill");
}

#[test]
fn every_task_of_several_may_be_cut_to_its_first_examples() {
    let folder = Folder::new();
    let hparams = json!({
        "task_names": ["rte", "sts", "chunk"], "max_train_examples": 6, "max_eval_examples": 5,
        "eval_every": 2, "eval_max_examples": 3,
    });
    let told = folder.train(&hparams, &[]);
    let results = folder.json("results/rte,sts,chunk_results.json");
    let evaluations = folder.lines("finetuning_models/rte,sts,chunk_model_1/eval_log.jsonl");
    // The pairs of sts are trained in both orders.
    for (task, learnt) in [
        ("rte", " rows, 6 examples, "),
        ("sts", " rows, 12 examples, "),
        ("chunk", " sentences, "),
    ] {
        let lines = told.lines();
        let line = |split: &str| {
            let begin = format!("{task} {split}: ");
            lines
                .clone()
                .find_map(|line| line.strip_prefix(&begin))
                .unwrap()
        };
        let train = line("train");
        assert!(
            train.starts_with("6 of ") && train.contains(learnt),
            "{train}"
        );
        assert!(line("dev").starts_with("5 of "), "{told}");
        let file = format!("results/rte,sts,chunk_predictions/{task}_dev.jsonl");
        assert_eq!(folder.lines(&file).len(), 5, "{task}");
        let scores = &results[0][task];
        assert_eq!(scores["examples"], 5, "{scores}");
        let own = evaluations.iter().filter(|line| line["task"] == task);
        let own: Vec<_> = own.map(|line| &line["examples"]).collect();
        let all = json!({"first": 3, "of": scores["examples_in_file"]});
        assert!(own.len() > 1 && own.iter().all(|of| **of == all), "{own:?}");
    }
}

#[test]
fn the_loss_of_an_evaluation_is_that_of_training_in_every_task() {
    let plain = losses_of(&["rte", "sts", "chunk"], 0.0);
    let smoothed = losses_of(&["rte", "chunk"], 0.25);
    // For the same model, label smoothing raises the loss by more than rounding.
    for task in ["rte", "chunk"] {
        let (plain, smoothed) = (plain[task], smoothed[task]);
        assert!(
            (plain - smoothed).abs() > 1e-4 * plain,
            "{task}: {plain}, {smoothed}"
        );
    }
}

/// Compares the dev losses of a run, on tasks whose dev file is the train file, with those of its
/// steps, which do not change the model.
fn losses_of(tasks: &[&'static str], smoothing: f64) -> BTreeMap<&'static str, f64> {
    let folder = Folder::new();
    for task in tasks {
        let ending = if *task == "chunk" { "txt" } else { "tsv" };
        let file = |split: &str| folder.task(task).join(format!("{split}.{ending}"));
        fs::copy(file("train"), file("dev")).unwrap();
    }
    let hparams = json!({
        "task_names": tasks, "max_train_examples": 6, "max_eval_examples": 6, "eval_every": "epoch",
        "double_unordered": false, "train_batch_size": 1, "learning_rate": 0,
        "label_smoothing": smoothing,
        "model_hparam_overrides": {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0},
    });
    folder.train(&hparams, &[]);
    let model = format!("finetuning_models/{}_model_1", tasks.join(","));
    let steps = folder.lines(&format!("{model}/train_log.jsonl"));
    assert_eq!(steps.len(), tasks.len() * 6);
    let evaluations = folder.lines(&format!("{model}/eval_log.jsonl"));
    let mut losses = BTreeMap::new();
    for task in tasks {
        let of_step = steps.iter().map(|step| match tasks {
            [_] => step["loss"].as_f64().unwrap(),
            _ => step["task_losses"][task].as_f64().unwrap(),
        });
        let trained = of_step.sum::<f64>() / 6.0;
        let own: Vec<_> = evaluations
            .iter()
            .filter(|line| line["task"] == *task)
            .collect();
        assert_eq!(own.len(), 2);
        for line in own {
            let loss = line["loss"].as_f64().unwrap();
            // Training sums in f32, and one example after the other instead of in a batch.
            let close = (loss - trained).abs() < 1e-5 * trained;
            assert!(close, "{task}: {loss} instead of {trained}");
        }
        losses.insert(*task, trained);
    }
    losses
}

#[test]
fn a_recorded_order_is_followed() {
    let folder = Folder::new();
    let order = folder.0.path().join("order.jsonl");
    let hparams = json!({"task_names": ["rte", "sts"], "num_train_epochs": 1, "do_eval": false});
    let lines: Vec<String> = (0..4)
        .flat_map(|eid| ["sts", "rte"].map(|task| json!({"task": task, "eid": eid}).to_string()))
        .collect();
    fs::write(&order, lines.join("\n")).unwrap();
    let replay = ["--replay", order.to_str().unwrap()];
    folder.train(&hparams, &replay);
    let log = folder.lines("finetuning_models/rte,sts_model_1/train_log.jsonl");
    assert_eq!((log.len(), log[0]["features"].as_u64()), (1, Some(8)));
    fs::write(&order, "{\"task\": \"rte\", \"eid\": 9999}\n").unwrap();
    let output = folder.finetune(
        &hparams,
        &["--replay", order.to_str().unwrap(), "--restart"],
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("order.jsonl: line 1") && told.contains("9999 of rte"),
        "{told}"
    );
}

#[test]
fn a_person_s_own_tasks_need_a_description_alone() {
    let folder = Folder::new();
    let mut rows = "review,stars\n".to_owned();
    for number in 0..24 {
        let (word, stars) = [("splendid", "good"), ("dreadful", "bad")][number % 2];
        rows.push_str(&format!("\"a {word} film, number {number}\",{stars}\n"));
    }
    folder.write("films", "train.csv", &rows);
    folder.write("films", "dev.csv", &rows);
    let description = json!({"kind": "classification", "text": "review", "label": "stars"});
    folder.write("films", "task.json", &description.to_string());
    // Words of the tiny model's vocabulary.
    let sentences = "old B-PER\nman I-PER\nfound O\n\nchurch S-LOC\nfound O\n\n";
    folder.write("names", "train.txt", &sentences.repeat(8));
    folder.put("names", "dev.txt", &folder.task("names").join("train.txt"));
    folder.write("names", "task.json", r#"{"kind": "tagging"}"#);
    let hparams = json!({
        "task_names": ["films", "names"], "num_train_epochs": 40, "learning_rate": 1e-3,
        "layerwise_lr_decay": 0,
    });
    folder.train(&hparams, &[]);
    let results = folder.json("results/films,names_results.json");
    // 24 rows and 16 sentences, memorised.
    assert_eq!(results[0]["films"]["accuracy"], 100.0, "{results}");
    assert_eq!(
        results[0]["films"]["beyond_the_reference"]["macro_f1"],
        100.0
    );
    assert_eq!(results[0]["names"]["f1"], 100.0, "{results}");
    let config = folder.json("finetuning_models/films,names_model_1/config.json");
    assert_eq!(config["heads"]["films"]["labels"], json!(["bad", "good"]));
    // For use of the model without the data.
    assert_eq!(config["heads"]["films"]["texts"], 1);
    assert_eq!(config["heads"]["names"]["outputs"], 9);
}

#[test]
fn what_is_wrong_with_the_data_is_said_before_a_step() {
    let folder = Folder::new();
    for (task, file, text, found) in [
        ("rte", "train.tsv", "i\ta\tb\tl\n0\tx\ty\tmaybe\n", "maybe"),
        ("sts", "train.tsv", "h\n0\ta\tb\t7\n", "7"),
        ("cola", "train.tsv", "", "train.tsv"),
        ("chunk", "train.txt", "word\n\n", "line 1"),
    ] {
        folder.write(task, file, text);
        let told = folder.refuse(&json!({"task_names": [task]}));
        assert!(told.contains(file) && told.contains(found), "{told}");
        let trained = folder
            .models()
            .join(format!("finetuning_models/{task}_model_1"));
        assert!(!trained.exists(), "{told}");
    }
    for (tasks, kind) in [
        (&["sts"][..], "regression"),
        (&["rte", "sts"], "regression"),
        (&["squad"], "question answering"),
    ] {
        let told = folder.refuse(&json!({"task_names": tasks, "label_smoothing": 0.1}));
        let expected = format!(
            "label_smoothing = 0.1: the task {} is one of {kind}, which has no classes to smooth",
            tasks[tasks.len() - 1]
        );
        assert!(told.contains(&expected), "{told}");
    }
    for (smoothing, expected) in [
        (json!(1), "label_smoothing = 1: must be from 0 to below 1"),
        (
            json!(-0.1),
            "label_smoothing = -0.1: must be from 0 to below 1",
        ),
        (
            json!("some"),
            "label_smoothing = \"some\": expected a number",
        ),
    ] {
        let told = folder.refuse(&json!({"task_names": ["rte"], "label_smoothing": smoothing}));
        assert!(told.contains(expected), "{told}");
    }
    folder.write("mine", "task.json", r#"{"kind": "classificaton"}"#);
    let told = folder.refuse(&json!({"task_names": ["mine"]}));
    assert!(
        told.contains("task.json") && told.contains("classificaton"),
        "{told}"
    );
}

#[test]
fn a_task_is_a_folder_of_the_data_and_what_its_model_was_trained_on() {
    let folder = Folder::new();
    for task in ["../mine", "a/b", "a,b", ".mine"] {
        let told = folder.refuse(&json!({"task_names": [task]}));
        assert!(
            told.contains("without slashes, backslashes, commas"),
            "{told}"
        );
    }
    let rows = "text,label\nan oak,tree\na rose,flower\n";
    folder.write("plants", "train.csv", rows);
    folder.write("plants", "dev.csv", rows);
    folder.write("plants", "task.json", r#"{"kind": "classification"}"#);
    let told = folder.refuse(&json!({"task_names": ["plant"]}));
    assert!(told.contains("the data folder has plants"), "{told}");
    folder.train(&json!({"task_names": ["plants"]}), &[]);

    let evaluated = |description: &str| {
        folder.write("plants", "task.json", description);
        let model = folder.models().join("finetuning_models/plants_model_1");
        Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([
                "evaluate",
                "--device",
                "cpu",
                "--model-name",
                "m",
                "--data-dir",
            ])
            .arg(folder.0.path())
            .arg("--checkpoint")
            .arg(model)
            .output()
            .unwrap()
    };
    // The model states its task.
    let output = evaluated(r#"{"kind": "classification"}"#);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (description, found) in [
        (
            r#"{"kind": "regression"}"#,
            "found classification, where task.json has regression",
        ),
        (
            r#"{"kind": "tagging"}"#,
            "found classification, where task.json has tagging",
        ),
        (
            r#"{"kind": "classification", "labels": ["tree", "flower"]}"#,
            "found flower, tree, where task.json has tree, flower",
        ),
    ] {
        let output = evaluated(description);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(found), "{told}");
    }

    // A task's description and training data are not overwritten.
    folder.write("plants", "task.json", r#"{"kind": "classification"}"#);
    for file in ["task.json", "train.csv"] {
        let path = folder.task("plants").join(file);
        let before = fs::read(&path).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([
                "report",
                "--model-name",
                "m",
                "--set",
                "task_names=plants",
                "--data-dir",
            ])
            .arg(folder.0.path())
            .arg("--output")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
