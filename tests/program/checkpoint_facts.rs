//! Tests that a checkpoint's facts reach the run without being given again, and that given values
//! that contradict them are rejected.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{place::golden, small_run::SmallRun};
use checkpoints_convert::{Format, export};
use serde_json::{Value, json};

/// Creates a data folder whose model `electra_tiny` is a Hugging Face folder.
fn hugging_face() -> (SmallRun, PathBuf) {
    let run = SmallRun::new();
    let model = run.data.join("models/electra_tiny");
    let folder = run.data.join("exported");
    export(Format::Hf, &model, &folder, &mut |_, _| {}).unwrap();
    fs::remove_dir_all(&model).unwrap();
    fs::rename(&folder, &model).unwrap();
    (run, model)
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
}

/// Runs a command on the data folder, with hyper-parameters that say nothing about the model;
/// returns exit code and standard error.
fn electra(data: &Path, command: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .arg(command)
        .arg("--data-dir")
        .arg(data)
        .args(["--set", "task_names=squad", "--set", "max_seq_length=128"])
        .args(["--set", "train_batch_size=8", "--set", "do_eval=false"])
        .args(more)
        .env("ELECTRA_DEVICE", "cpu")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr)
}

const TINY: [&str; 2] = ["--model-name", "electra_tiny"];

#[track_caller]
fn dry_run(data: &Path, more: &[&str]) -> String {
    let (code, stderr) = electra(data, "finetune", &[&["--dry-run"], more].concat());
    assert_eq!(code, Some(0), "{stderr}");
    stderr
}

#[track_caller]
fn refused(data: &Path, more: &[&str], expected: &[&str]) {
    let arguments = [&["--dry-run"], &TINY[..], more].concat();
    let (code, stderr) = electra(data, "finetune", &arguments);
    assert_eq!(code, Some(2), "{more:?}: {stderr}");
    for part in expected {
        assert!(stderr.contains(part), "{more:?}: {part:?} not in {stderr}");
    }
}

/// Returns every path below a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn heads_are_the_checkpoint_s_and_the_fine_tuned_model_repeats_them() {
    let (run, model) = hugging_face();
    edit(&model.join("config.json"), |config| {
        config["num_attention_heads"] = json!(4);
        config["hidden_dropout_prob"] = json!(0.2);
    });
    let told = dry_run(&run.data, &TINY);
    assert!(told.contains("4 layers × 128, 4 heads"), "{told}");
    assert!(!model.join("record").exists(), "a dry run converted");
    let over = "model_hparam_overrides.num_attention_heads";
    refused(
        &run.data,
        &["--set", &format!("{over}=2")],
        &[&format!("{over} = 2"), "num_attention_heads = 4"],
    );
    // The sizes given the older way match the checkpoint's, except for the number of heads.
    let sizes = SmallRun::hparams()["model_hparam_overrides"].to_string();
    let given = format!("model_hparam_overrides={sizes}");
    let given = ["--set", &given, "--set", "model_size=large"];
    let (code, stderr) = electra(&run.data, "finetune", &[&TINY[..], &given].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let config = fs::read(run.model_dir().join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["model"]["num_attention_heads"], 4);
    assert_eq!(config["model"]["hidden_dropout_prob"], 0.2);
    assert_eq!(config["model"]["num_hidden_layers"], 4);
    assert_eq!(config["vocab_size"], 2048);
}

#[test]
fn contradictions_are_refused_with_both_values() {
    let (run, model) = hugging_face();
    for (given, told) in [
        ("vocab_size=30522", "vocab_size = 2048"),
        ("embedding_size=64", "embedding_size = 128"),
        ("model_size=base", "hidden_size = 128"),
        (
            "model_hparam_overrides.num_hidden_layers=12",
            "num_hidden_layers = 4",
        ),
        (
            "model_hparam_overrides.intermediate_size=100",
            "intermediate_size = 512",
        ),
        (
            "model_hparam_overrides.layer_norm_eps=1e-6",
            "layer_norm_eps = 1e-12",
        ),
        (
            "model_hparam_overrides.max_position_embeddings=64",
            "max_position_embeddings = 512",
        ),
        ("do_lower_case=false", "do_lower_case = true"),
        ("strip_accents=false", "strip_accents = true"),
        (
            "tokenize_chinese_chars=false",
            "tokenize_chinese_chars = true",
        ),
    ] {
        let (key, value) = given.split_once('=').unwrap();
        let ours = format!("{key} = {value}");
        refused(&run.data, &["--set", given], &[&ours, told]);
    }
    // Dropout, and any value that agrees, may be given.
    for given in [
        "model_hparam_overrides.hidden_dropout_prob=0.3",
        "embedding_size=null",
        "vocab_size=2048",
        "do_lower_case=true",
        "strip_accents=null",
    ] {
        dry_run(&run.data, &[&TINY[..], &["--set", given]].concat());
    }
    // A different activation is not silently replaced by gelu.
    let record = run.data.join("models/record");
    checkpoints_convert::convert(&model, &record, &mut |_, _| {}).unwrap();
    edit(&record.join("config.json"), |config| {
        config["model"]["hidden_act"] = json!("relu");
    });
    let path = format!("init_checkpoint={}", record.display());
    refused(
        &run.data,
        &["--set", &path],
        &["hidden_act", "relu", "gelu"],
    );
    // A TensorFlow checkpoint says nothing about letter case.
    let tensorflow = SmallRun::new();
    let told = dry_run(
        &tensorflow.data,
        &[&TINY[..], &["--set", "do_lower_case=false"]].concat(),
    );
    assert!(told.contains("parameters, cased"), "{told}");
}

#[test]
fn a_misspelt_model_is_answered_by_those_that_are_there() {
    let run = SmallRun::new();
    let name = ["--model-name", "electra_tyni"];
    let features = ["--split", "train", "--output", "f.jsonl"];
    for (command, more) in [
        ("finetune", &["--dry-run"][..]),
        ("finetune", &[]),
        ("features", &features),
    ] {
        let (code, stderr) = electra(&run.data, command, &[&name, more].concat());
        assert_eq!(code, Some(2), "{command} {more:?}: {stderr}");
        assert!(
            stderr.contains("did you mean electra_tiny?"),
            "{command} {more:?}: {stderr}"
        );
    }
}

#[test]
fn epsilon_is_computed_with() {
    let run = SmallRun::new();
    let config = run.data.join("models/electra_tiny/config.json");
    edit(&config, |config| {
        config["model"]["layer_norm_eps"] = json!(1e-2)
    });
    let (code, stderr) = electra(&run.data, "finetune", &TINY);
    assert_eq!(code, Some(0), "{stderr}");
    let other = SmallRun::new();
    let (code, stderr) = electra(&other.data, "finetune", &TINY);
    assert_eq!(code, Some(0), "{stderr}");
    let config = fs::read(run.model_dir().join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["model"]["layer_norm_eps"], 1e-2);
    let loss = |run: &SmallRun| {
        let log = fs::read_to_string(run.model_dir().join("train_log.jsonl")).unwrap();
        let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        line["loss"].as_f64().unwrap()
    };
    let (with, without) = (loss(&run), loss(&other));
    assert!((with - without).abs() > 1e-4, "{with} and {without}");
}

#[test]
fn letter_case_and_accents_are_the_tokenizer_s() {
    let (run, model) = hugging_face();
    let vocab = fs::read_to_string(model.join("vocab.txt")).unwrap();
    let mut lines: Vec<&str> = vocab.lines().collect();
    // It has the vocabulary too, and a different one would be rejected.
    fs::remove_file(model.join("tokenizer.json")).unwrap();
    let last = lines.len() - 4;
    lines[last..].copy_from_slice(&["müller", "muller", "Müller", "Muller"]);
    fs::write(model.join("vocab.txt"), lines.join("\n")).unwrap();
    let squad = json!({"version": "v2.0", "data": [{"title": "T", "paragraphs": [{
        "context": "He was Müller.", "qas": [{"id": "q", "question": "Müller", "answers":
        [{"text": "Müller", "answer_start": 7}], "is_impossible": false}]}]}]});
    fs::write(
        run.data.join("finetuning_data/squad/train.json"),
        squad.to_string(),
    )
    .unwrap();
    for (settings, word) in [
        (json!({"do_lower_case": true}), "muller"),
        (
            json!({"do_lower_case": true, "strip_accents": null}),
            "muller",
        ),
        (
            json!({"do_lower_case": true, "strip_accents": false}),
            "müller",
        ),
        (json!({"do_lower_case": false}), "Müller"),
        (
            json!({"do_lower_case": false, "strip_accents": true}),
            "Muller",
        ),
    ] {
        fs::write(model.join("tokenizer_config.json"), settings.to_string()).unwrap();
        let output = run.data.join("f.jsonl");
        let written = ["--split", "train", "--output", output.to_str().unwrap()];
        let (code, stderr) = electra(&run.data, "features", &[&TINY[..], &written].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let feature: Value =
            serde_json::from_str(fs::read_to_string(&output).unwrap().lines().next().unwrap())
                .unwrap();
        let id = feature["input_ids"][1].as_u64().unwrap() as usize;
        assert_eq!(lines[id], word, "{settings}");
    }
}

#[test]
fn the_vocabulary_is_found_wherever_the_model_comes_from() {
    // A Hugging Face folder with only tokenizer.json.
    let (run, model) = hugging_face();
    let vocab = fs::read_to_string(model.join("vocab.txt")).unwrap();
    let ids = vocab
        .lines()
        .enumerate()
        .map(|(id, token)| (token.to_owned(), json!(id)));
    let tokenizer = json!({
        "version": "1.0", "normalizer": {"type": "BertNormalizer", "lowercase": true},
        "model": {"type": "WordPiece", "vocab": ids.collect::<serde_json::Map<_, _>>()},
    });
    fs::write(model.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::remove_file(model.join("vocab.txt")).unwrap();
    for _ in 0..2 {
        let (code, stderr) = electra(&run.data, "finetune", &TINY);
        assert_eq!(code, Some(0), "{stderr}");
    }
    assert_eq!(
        fs::read_to_string(run.model_dir().join("vocab.txt")).unwrap(),
        vocab
    );

    // A zip, by path and by name.
    for more in [
        &["--model-name", "electra_tiny.zip"][..],
        &TINY,
        &[
            "--model-name",
            "electra_tiny",
            "--set",
            "init_checkpoint=ZIP",
        ],
    ] {
        let run = SmallRun::new();
        let models = run.data.join("models");
        fs::remove_dir_all(models.join("electra_tiny")).unwrap();
        let zip = models.join("electra_tiny.zip");
        fs::copy(golden("models/electra_tiny.zip"), &zip).unwrap();
        let more: Vec<String> = more
            .iter()
            .map(|word| word.replace("ZIP", zip.to_str().unwrap()))
            .collect();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let before = tree(&run.data);
        dry_run(&run.data, &more);
        assert_eq!(tree(&run.data), before, "a dry run wrote");
        for _ in 0..2 {
            let (code, stderr) = electra(&run.data, "finetune", &more);
            assert_eq!(code, Some(0), "{more:?}: {stderr}");
        }
        assert!(run.model_dir().join("model.bpk").is_file());
    }
}

#[test]
fn a_dry_run_says_what_will_be_done_and_writes_nothing() {
    let run = SmallRun::new();
    let before = tree(&run.data);
    let told = dry_run(
        &run.data,
        &[&TINY[..], &["--set", "log_examples=true"]].concat(),
    );
    assert_eq!(tree(&run.data), before);
    for line in [
        "device: ",
        "squad train: ",
        "model: 4 layers × 128, 2 heads, ",
        "training: ",
        "memory: ",
    ] {
        assert!(
            told.lines().any(|told| told.starts_with(line)),
            "{line}: {told}"
        );
    }
    let examples = told
        .lines()
        .filter(|line| line.starts_with("squad example "));
    assert_eq!(examples.count(), 3, "{told}");
    assert!(told.contains("[CLS] "), "{told}");
}

#[test]
fn a_record_that_was_corrected_by_hand_is_believed_and_hyper_parameters_alone_describe_a_model() {
    let (run, _) = hugging_face();
    let (code, stderr) = electra(&run.data, "finetune", &TINY);
    assert_eq!(code, Some(0), "{stderr}");
    let record = run.data.join("models/electra_tiny/record/config.json");
    edit(&record, |config| config["do_lower_case"] = json!(false));
    let told = dry_run(&run.data, &TINY);
    assert!(told.contains("parameters, cased"), "{told}");

    // As written by a version that did not store the shape.
    let config = run.model_dir().join("config.json");
    edit(&config, |config| {
        config.as_object_mut().unwrap().shift_remove("model");
        config.as_object_mut().unwrap().shift_remove("heads");
    });
    let ask = |question: &str| {
        Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([
                "ask",
                "--device",
                "cpu",
                "--passage",
                "Ada was born in London.",
            ])
            .args(["--question", question, "--checkpoint"])
            .arg(run.model_dir())
            .output()
            .unwrap()
    };
    let output = ask("Where was Ada born?");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");

    // A contradiction within the file itself is rejected too.
    edit(&config, |config| {
        config["model_hparam_overrides"]["num_hidden_layers"] = json!(5)
    });
    let output = ask("Where?");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("error: "), "{stderr}");
}
