//! Tests `electra finetune --sweep`: a run for every combination, one table, work shared by
//! processes.

use std::{fs, process::Output};

use serde_json::Value;

use crate::support::{place::golden, small_run::SmallRun};

/// Returns a short run that is evaluated.
fn run() -> SmallRun {
    let mut run = SmallRun::new();
    let dev = run.data.join("finetuning_data/squad/dev.json");
    fs::copy(golden("data/squad2-tiny.dev.json"), dev).unwrap();
    run.sets = ["do_eval=true", "num_train_epochs=0.3"]
        .map(str::to_owned)
        .into();
    run
}

#[track_caller]
fn texts(output: Output) -> (String, String) {
    let [out, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(0), "{told}");
    (out, told)
}

#[test]
fn every_cell_is_run_once_whoever_runs_it() {
    let run = run();
    let sweep = |more: &[&str]| {
        let mut command = run.command();
        command
            .args(["--sweep", "learning_rate=1e-4,2e-3"])
            .args(more);
        command
    };
    // Two processes share the cells.
    let [first, second] = [(); 2].map(|()| sweep(&[]).spawn().unwrap());
    for child in [first, second] {
        let (_, told) = texts(child.wait_with_output().unwrap());
        assert!(told.contains("cell 2 of 2: learning_rate=0.002"), "{told}");
    }
    let folder = run
        .data
        .join("models/electra_tiny/finetuning_models/squad_model_sweep");
    let logs = || {
        ["0.0001", "0.002"].map(|rate| {
            let log = folder.join(format!("learning_rate={rate}_1/train_log.jsonl"));
            fs::read_to_string(log).unwrap()
        })
    };
    let before = logs();
    for log in &before {
        let steps = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let steps: Vec<u64> = steps.map(|line| line["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, (0..steps.len() as u64).collect::<Vec<_>>());
    }
    // Nothing is left to do, and the table is complete.
    let (out, told) = texts(sweep(&[]).output().unwrap());
    assert_eq!(told.matches("nothing is left to do").count(), 2, "{told}");
    assert!(logs() == before);
    let rows: Vec<&str> = out.lines().collect();
    for (row, parts) in [
        (0, &["squad", "exact", "f1", "learning_rate"][..]),
        (1, &["learning_rate=0.0001", "electra_tiny", "0.0001"]),
        (2, &["learning_rate=0.002", "electra_tiny", "0.002"]),
        (3, &["* best in its column"]),
    ] {
        for part in parts {
            assert!(rows[row].contains(part), "{part}: {out}");
        }
    }
    // Each metric has a best value, in the same cell or in two.
    assert!(rows[1..3].concat().matches(" *").count() >= 2, "{out}");
    let (out, _) = texts(sweep(&["--json"]).output().unwrap());
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 2);
    // Each cell has its own results folder.
    let results = folder.join("learning_rate=0.002_results/squad_results.json");
    let results: Value = serde_json::from_str(&fs::read_to_string(results).unwrap()).unwrap();
    assert_eq!(listed["runs"][1]["trials"][0]["results"], results[0]);

    let mut alone = run.command();
    let alone = alone.args(["--sweep", "learning_rate=0.002"]).output();
    let (_, told) = texts(alone.unwrap());
    assert!(
        told.contains("cell 1 of 1") && told.contains("nothing is left to do"),
        "{told}"
    );
    let mut refused = run.command();
    let refused = refused.args(["--sweep", "model_dir=a,b"]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("--sweep model_dir: names a file or folder"),
        "{told}"
    );
    assert_eq!(refused.status.code(), Some(2));
}
