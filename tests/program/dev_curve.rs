//! Tests evaluations during training: the best weights become the model, training stops early
//! without improvement, and a run killed during an evaluation ends as if it had not been.
#![cfg(unix)]

use std::{fs, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::support::{place::golden, small_run::SmallRun};

/// Returns an evaluated run with these additional settings.
fn run(sets: &[&str]) -> SmallRun {
    let mut run = SmallRun::new();
    let dev = run.data.join("finetuning_data/squad/dev.json");
    fs::copy(golden("data/squad2-tiny.dev.json"), dev).unwrap();
    run.sets = ["do_eval=true", "num_train_epochs=0.5"]
        .iter()
        .chain(sets)
        .map(|set| (*set).to_owned())
        .collect();
    run
}

/// Returns the evaluations of a run, without their times.
fn evaluations(run: &SmallRun) -> Vec<Value> {
    let log = fs::read_to_string(run.model_dir().join("eval_log.jsonl")).unwrap();
    let lines = log.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let seconds = line.as_object_mut().unwrap().remove("seconds").unwrap();
        assert!(seconds.as_f64().unwrap() > 0.0);
        line
    });
    lines.collect()
}

fn steps(evaluations: &[Value]) -> Vec<u64> {
    let steps = evaluations.iter().map(|line| line["step"].as_u64());
    steps.map(Option::unwrap).collect()
}

fn f1(evaluation: &Value) -> f64 {
    evaluation["f1"].as_f64().unwrap()
}

/// Returns the best by f1, the first of equal ones.
fn best(evaluations: &[Value]) -> &Value {
    let mut best = &evaluations[0];
    for evaluation in evaluations {
        if f1(evaluation) > f1(best) {
            best = evaluation;
        }
    }
    best
}

/// Returns the best weights that a run stores, if it does.
fn kept(run: &SmallRun) -> Option<Vec<u8>> {
    fs::read(run.model_dir().join("best/model.bpk")).ok()
}

#[test]
fn the_best_weights_become_the_model() {
    // Answers are never held back, so that even an untrained model has varying scores.
    let sets = ["eval_every=4", "qa_na_threshold=99", "learning_rate=2e-3"];
    let last = run(&sets);
    last.finish();
    let curve = evaluations(&last);
    let made = *last.steps().last().unwrap() + 1;
    let mut expected: Vec<u64> = (0..=made).step_by(4).collect();
    if !made.is_multiple_of(4) {
        expected.push(made);
    }
    assert_eq!(steps(&curve), expected);
    assert!(kept(&last).is_none());
    let figures = curve[0].as_object().unwrap();
    assert_eq!(figures["task"], "squad");
    assert!(figures.contains_key("exact") && !figures.contains_key("total"));

    let run = run(&[&sets[..], &["keep_best=f1"]].concat());
    run.finish();
    let ours = evaluations(&run);
    let best = best(&ours);
    assert!(
        kept(&run).unwrap() == run.record(),
        "the best are not the model"
    );
    let mut best_folder: Vec<_> = fs::read_dir(run.model_dir().join("best"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    best_folder.sort_unstable();
    assert_eq!(best_folder, ["config.json", "model.bpk", "vocab.txt"]);
    let results = fs::read_to_string(run.results_dir().join("squad_results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results[0]["squad"]["f1"].as_f64(), Some(f1(best)));
    // Evaluating does not change what is learnt.
    assert_eq!(steps(&ours), steps(&curve));
    for (ours, theirs) in ours.iter().zip(&curve) {
        assert_eq!(f1(ours), f1(theirs));
    }
    if best["step"] == made {
        assert!(run.record() == last.record());
    } else {
        assert!(run.record() != last.record());
    }
}

#[test]
fn training_that_gets_no_better_ends() {
    let run = run(&[
        "eval_every=2",
        "keep_best=f1",
        "patience=2",
        "learning_rate=0",
    ]);
    let told = String::from_utf8(run.finish().stderr).unwrap();
    assert_eq!(steps(&evaluations(&run)), [0, 2, 4]);
    assert_eq!(run.steps(), [0, 1, 2, 3]);
    assert!(
        told.contains("no better f1 since step 0: training ends after 4 of"),
        "{told}"
    );
    assert!(kept(&run).unwrap() == run.record());
    let again = String::from_utf8(run.finish().stderr).unwrap();
    assert!(again.contains("the run is finished"), "{again}");
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_weights() {
    let sets = [
        "eval_every=2",
        "keep_best=f1",
        "qa_na_threshold=99",
        "learning_rate=2e-3",
    ];
    let whole = run(&sets);
    whole.finish();
    let disturbed = run(&sets);
    let log = disturbed.model_dir().join("eval_log.jsonl");
    // During evaluations, and between writing their weights and their log line.
    for lines in [1, 3, 4] {
        let mut child = disturbed.start();
        loop {
            let there = fs::read_to_string(&log).unwrap_or_default();
            if there.lines().count() >= lines || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    disturbed.finish();
    assert_eq!(evaluations(&disturbed), evaluations(&whole));
    assert!(disturbed.record() == whole.record(), "records differ");
    assert!(kept(&disturbed) == kept(&whole));
    assert_eq!(disturbed.results(), whole.results());
    disturbed.assert_tidy();
}

#[test]
fn the_loss_of_an_evaluation_is_that_of_training_without_dropout() {
    let run = run(&[
        "eval_every=epoch",
        "num_train_epochs=1",
        "train_batch_size=1",
        "learning_rate=0",
        "max_train_examples=20",
        "max_eval_examples=20",
        "model_hparam_overrides={\"hidden_dropout_prob\":0,\"attention_probs_dropout_prob\":0,\
         \"hidden_size\":128,\"num_hidden_layers\":4}",
    ]);
    let squad = run.data.join("finetuning_data/squad");
    // One of its answers is not found in the passage, so training leaves the question out.
    let text = fs::read_to_string(squad.join("train.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    file["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 0.into();
    for name in ["train.json", "dev.json"] {
        fs::write(squad.join(name), file.to_string()).unwrap();
    }
    let told = String::from_utf8(run.finish().stderr).unwrap();
    assert!(
        told.contains("1 question left out: answer not found"),
        "{told}"
    );
    let log = fs::read_to_string(run.model_dir().join("train_log.jsonl")).unwrap();
    let steps = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let losses: Vec<f64> = steps.map(|step| step["loss"].as_f64().unwrap()).collect();
    let trained = losses.iter().sum::<f64>() / losses.len() as f64;
    let evaluations = evaluations(&run);
    assert_eq!(evaluations.len(), 2);
    for evaluation in &evaluations {
        let loss = evaluation["loss"].as_f64().unwrap();
        // Training sums in f32, and one window after the other instead of in a batch.
        assert!(
            (loss - trained).abs() < 1e-5 * trained,
            "{loss} instead of {trained}"
        );
    }
    let results = fs::read_to_string(run.results_dir().join("squad_results.json")).unwrap();
    assert!(!results.contains("\"loss\""), "{results}");
}

/// Number of questions in each of the small files.
const QUESTIONS: usize = 60;

#[test]
fn evaluations_between_steps_may_be_of_the_first_questions() {
    let sets = ["eval_every=4", "keep_best=f1", "eval_max_examples=7"];
    let mut run = run(&sets);
    let told = String::from_utf8(run.finish().stderr).unwrap();
    assert!(
        told.contains("squad between steps: 7 of 60 examples, "),
        "{told}"
    );
    assert!(
        told.contains("step 4: squad, 7 of 60 examples: exact: "),
        "{told}"
    );
    for evaluation in evaluations(&run) {
        assert_eq!(evaluation["examples"], json!({"first": 7, "of": 60}));
    }
    let results = fs::read_to_string(run.results_dir().join("squad_results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results[0]["squad"]["total"], QUESTIONS);
    assert!(results[0]["squad"].get("examples").is_none());
    let page = fs::read_to_string(run.results_dir().join("squad_report.html")).unwrap();
    assert!(page.contains("Between training steps, of squad: the first 7 of 60 examples."));
    // The criterion for the best weights is part of the run's identity.
    run.sets.push("eval_max_examples=8".to_owned());
    let told = run.fail(2);
    assert!(told.contains("best_weights.dev_data"), "{told}");
    run.sets.push("eval_max_examples=7".to_owned());
    let told = String::from_utf8(run.finish().stderr).unwrap();
    assert!(told.contains("the run is finished"), "{told}");
}

#[test]
fn a_run_may_take_the_first_examples_of_its_files() {
    let mut run = run(&["max_train_examples=9", "max_eval_examples=7"]);
    let output = run.finish();
    let told = String::from_utf8(output.stderr).unwrap();
    for line in [
        "squad train: 9 of 60 questions, ",
        "squad dev: 7 of 60 questions, ",
    ] {
        assert!(told.contains(line), "{line:?} is not in {told}");
    }
    let remark = "squad: only the first 7 of 60 examples (max_eval_examples)";
    assert!(told.contains(remark), "{told}");
    let read = |name: &str| fs::read_to_string(run.results_dir().join(name)).unwrap();
    let results: Value = serde_json::from_str(&read("squad_results.json")).unwrap();
    for (key, count) in [
        ("total", 7),
        ("examples", 7),
        ("examples_in_file", QUESTIONS),
    ] {
        assert_eq!(results[0]["squad"][key], count, "{key}");
    }
    let line = read("squad_results.txt");
    let counts = "examples: 7.00 - examples_in_file: 60.00";
    assert!(line.contains(counts), "{line}");
    let predictions: Value = serde_json::from_str(&read("squad_qa/squad_preds.json")).unwrap();
    assert_eq!(predictions.as_object().unwrap().len(), 7);
    let page = read("squad_report.html");
    assert!(page.contains("Of the first 7 of 60 examples only"));

    // The run's page is recreated without specifying it.
    let page = run.data.join("again.html");
    let made = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args([
            "report",
            "--model-name",
            "electra_tiny",
            "--set",
            "task_names=squad",
        ])
        .arg("--data-dir")
        .arg(&run.data)
        .arg("--output")
        .arg(&page)
        .output()
        .unwrap();
    let told = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(0), "{told}");
    assert!(
        fs::read_to_string(page)
            .unwrap()
            .contains("Of the first 7 of 60 examples only")
    );

    // More examples to score only repeats the evaluation; more to train on makes a different run.
    let steps = run.steps();
    run.sets.push("max_eval_examples=60".to_owned());
    let told = String::from_utf8(run.finish().stderr).unwrap();
    assert!(
        told.contains("trained before, and only evaluated now: dev_data"),
        "{told}"
    );
    assert_eq!(run.steps(), steps);
    let results = fs::read_to_string(run.results_dir().join("squad_results.json")).unwrap();
    assert!(!results.contains("examples"), "{results}");
    run.sets.push("max_train_examples=null".to_owned());
    let told = run.fail(2);
    assert!(told.contains("training_data: "), "{told}");
}

#[test]
fn what_cannot_be_kept_is_refused_before_the_first_step() {
    for (sets, expected) in [
        (&["keep_best=f1"][..], "keep_best"),
        (&["eval_every=4", "patience=1"], "patience"),
        (
            &["eval_every=0"],
            "a number of steps, at least 1, or \"epoch\"",
        ),
        (&["eval_every=epoch", "do_eval=false"], "do_eval"),
        (&["eval_max_examples=5"], "needs eval_every"),
        (
            &["eval_every=4", "eval_max_examples=0"],
            "eval_max_examples = 0: must be at least 1",
        ),
        (&["max_train_examples=0"], "must be at least 1"),
        (
            &["max_eval_examples=-3"],
            "max_eval_examples = -3: expected a whole number, not negative, or null",
        ),
        (
            &["max_eval_examples=few"],
            "expected a whole number, not negative, or null",
        ),
        (
            &["eval_every=epoch", "keep_best=accuracy"],
            "keep_best=accuracy: the evaluation has no such figure; give one of",
        ),
        (
            &["eval_every=2", "keep_best=best_f1_thresh"],
            "keep_best=best_f1_thresh: a threshold, which does not measure how good weights are; give one of \
             HasAns_exact, HasAns_f1, NoAns_exact, NoAns_f1, best_exact, best_f1, exact, f1, loss",
        ),
    ] {
        let run = run(sets);
        let told = run.fail(2);
        assert!(told.contains(expected), "{sets:?}: {told}");
        assert!(!run.model_dir().join("model.bpk").exists());
        let log = fs::read_to_string(run.model_dir().join("train_log.jsonl"));
        assert_eq!(log.unwrap_or_default(), "", "{sets:?}");
    }
}
