//! Tests that foreseeable problems are reported before the first step, and nothing of a run is
//! written then.

use std::{fs, path::PathBuf};

use crate::support::{golden, small_run::SmallRun};

/// Asserts that the run fails without a step and without a model folder.
#[track_caller]
fn refused(run: &SmallRun) -> String {
    let stderr = run.fail(2);
    assert!(!run.model_dir().exists(), "{stderr}");
    assert!(!stderr.contains("step 1/"), "{stderr}");
    stderr
}

fn data(run: &SmallRun, task: &str, file: &str) -> PathBuf {
    let folder = run.data.join("finetuning_data").join(task);
    fs::create_dir_all(&folder).unwrap();
    folder.join(file)
}

fn with(sets: &[&str]) -> SmallRun {
    let mut run = SmallRun::new();
    run.sets = sets.iter().map(|set| (*set).to_owned()).collect();
    run
}

#[test]
fn a_run_without_a_step() {
    let run = with(&["num_train_epochs=0.01", "do_eval=true"]);
    fs::copy(
        golden("data/squad2-tiny.dev.json"),
        data(&run, "squad", "dev.json"),
    )
    .unwrap();
    let stderr = refused(&run);
    assert!(stderr.contains("no training step"), "{stderr}");
    assert!(stderr.contains("0.01 epochs"), "{stderr}");
    assert!(!run.results_dir().exists());
    refused(&with(&["num_train_epochs=0"]));
}

#[test]
fn a_test_file_that_is_missing_or_damaged() {
    let run = with(&["write_test_outputs=true"]);
    let stderr = refused(&run);
    assert!(stderr.contains("test.json"), "{stderr}");
    assert!(stderr.contains("write_test_outputs"), "{stderr}");
    let test = data(&run, "squad", "test.json");
    fs::write(&test, r#"{"data": [{"paragraphs": [{"context": "Ada wr"#).unwrap();
    let stderr = refused(&run);
    assert!(stderr.contains("test.json"), "{stderr}");
    fs::copy(golden("data/squad2-tiny.dev.json"), &test).unwrap();
    run.finish();
    let predictions = run.data.join("models/electra_tiny/test_predictions");
    let written = fs::read_dir(predictions).unwrap().count();
    assert_eq!(written, 1);
}

#[test]
fn a_question_that_the_metric_cannot_mark() {
    // SQuAD 2.0's dev file for SQuAD 1.1.
    let run = with(&["task_names=[\"squadv1\"]", "do_eval=true"]);
    let answerable = fs::read_to_string(golden("data/squad2-tiny.train.json")).unwrap();
    let mut train: serde_json::Value = serde_json::from_str(&answerable).unwrap();
    for article in train["data"].as_array_mut().unwrap() {
        for paragraph in article["paragraphs"].as_array_mut().unwrap() {
            let questions = paragraph["qas"].as_array_mut().unwrap();
            questions.retain(|question| question["is_impossible"] != true);
        }
    }
    fs::write(data(&run, "squadv1", "train.json"), train.to_string()).unwrap();
    let dev = data(&run, "squadv1", "dev.json");
    fs::copy(golden("data/squad2-tiny.dev.json"), &dev).unwrap();
    let stderr = refused(&run);
    assert!(stderr.contains("squadv1/dev.json"), "{stderr}");
    assert!(stderr.contains("unanswerable"), "{stderr}");
}

#[test]
fn results_that_would_replace_something() {
    let run = SmallRun::new();
    let vocab = run.data.join("models/electra_tiny/vocab.txt");
    let before = fs::read(&vocab).unwrap();
    let mut run = run;
    run.sets = vec![
        "do_eval=true".into(),
        format!("results_txt={}", vocab.display()),
    ];
    let stderr = refused(&run);
    assert!(stderr.contains("would replace"), "{stderr}");
    assert_eq!(fs::read(&vocab).unwrap(), before);
}

#[test]
fn a_place_that_cannot_be_written() {
    let mut run = SmallRun::new();
    fs::copy(
        golden("data/squad2-tiny.dev.json"),
        data(&run, "squad", "dev.json"),
    )
    .unwrap();
    fs::write(run.data.join("file"), "").unwrap();
    let results = run.data.join("file/results.txt");
    run.sets = vec![
        "do_eval=true".into(),
        format!("results_txt={}", results.display()),
    ];
    let stderr = refused(&run);
    assert!(stderr.contains("cannot be written"), "{stderr}");
}

#[test]
fn a_model_that_no_run_has_made() {
    let run = SmallRun::new();
    fs::create_dir_all(run.model_dir()).unwrap();
    let theirs = run.model_dir().join("model.bpk");
    fs::write(&theirs, "theirs").unwrap();
    let stderr = run.fail(2);
    assert!(stderr.contains("contains model.bpk"), "{stderr}");
    assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    run.command().arg("--restart").output().unwrap();
    let aside = run.model_dir().with_extension("old").join("model.bpk");
    assert_eq!(fs::read(aside).unwrap(), b"theirs");
    assert!(run.record() != b"theirs");
}
