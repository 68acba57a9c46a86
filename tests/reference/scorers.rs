//! Tests the official scorers: every metric against the official scripts'.
//! tests/golden/eval/README.md explains the files.
//!
//! Tests on whole data sets look for them in the folder named by ELECTRA_SHARED (or ../shared) and
//! say so if it is absent.

use std::path::{Path, PathBuf};

use crate::support::place::{golden, shared};
use electra::{
    eval::{
        figures::Scores,
        results::{TrialResults, results_text},
    },
    tasks::qa::scorers::{
        metric::Metric,
        report::Report,
        score::{Request, score},
    },
};
use serde_json::Value;

fn json(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn report(request: &Request, metric: Metric) -> Report {
    let (guessed, report) = score(request)
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
    assert_eq!(guessed, metric, "{}", request.data.display());
    report
}

/// Asserts equal keys in the same order, and equal values. The scripts' order of operations is
/// kept, so there is no tolerance for rounding.
fn assert_figures(scores: &Scores, expected: &Value, what: &str) {
    let found = serde_json::to_value(scores).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&found), keys(expected), "{what}");
    for key in keys(expected) {
        assert_eq!(
            found[&key].as_f64(),
            expected[&key].as_f64(),
            "{what}: {key}"
        );
    }
}

/// Scores one set of prediction files in the three ways in which the golden scores were made.
fn assert_three_ways(data: PathBuf, stem: &str, threshold: f64, expected: &Value) {
    let plain = Request {
        data,
        predictions: golden(&format!("{stem}.preds.json")),
        ..Request::default()
    };
    let with_odds = Request {
        null_odds: Some(golden(&format!("{stem}.null_odds.json"))),
        ..plain.clone()
    };
    let with_curves = Request {
        threshold: Some(threshold),
        curves: true,
        ..with_odds.clone()
    };
    for (name, request) in [
        ("plain", plain),
        ("null_odds", with_odds),
        ("threshold_and_curves", with_curves),
    ] {
        let report = report(&request, Metric::Squad2);
        assert_figures(&report.scores, &expected[name], &format!("{stem}, {name}"));
        assert!(report.missing.is_empty());
        assert_eq!(report.curves.is_some(), request.curves);
    }
}

#[test]
fn squad2_on_real_answers() {
    let expected = json(&golden("eval/squad2-tiny.figures.json"));
    for system in ["bert", "bidaf"] {
        let stem = format!("eval/squad2-tiny.{system}");
        let data = golden("data/squad2-tiny.dev.json");
        assert_three_ways(data, &stem, -2.75, &expected[system]);
    }
}

#[test]
fn squad2_on_awkward_answers() {
    let expected = &json(&golden("eval/made-up.figures.json"))["squad2"];
    let data = golden("eval/made-up.squad2.json");
    assert_three_ways(data, "eval/made-up", -0.5, expected);
}

#[test]
fn squad1_and_mrqa_on_awkward_answers() {
    let figures = json(&golden("eval/made-up.figures.json"));
    for (metric, data) in [
        (Metric::Squad1, "eval/made-up.squad1.json"),
        (Metric::Mrqa, "eval/made-up.mrqa.jsonl"),
    ] {
        for (predictions, missing) in [("preds", 0), ("some.preds", 12)] {
            let request = Request {
                data: golden(data),
                predictions: golden(&format!("eval/made-up.{predictions}.json")),
                ..Request::default()
            };
            let report = report(&request, metric);
            let expected = &figures[metric.name()][predictions];
            assert_figures(
                &report.scores,
                expected,
                &format!("{metric}, {predictions}"),
            );
            assert_eq!(report.missing.len(), missing);
        }
    }
}

#[test]
fn squad2_on_the_reference_models_answers() {
    for stem in [
        "tiny.init",
        "tiny.trained",
        "projected.init",
        "projected.trained",
    ] {
        let request = Request {
            data: golden("data/squad2-tiny.dev.json"),
            predictions: golden(&format!("eval/{stem}.preds.json")),
            null_odds: Some(golden(&format!("eval/{stem}.null_odds.json"))),
            threshold: Some(-2.75),
            ..Request::default()
        };
        let report = report(&request, Metric::Squad2);
        let expected = json(&golden(&format!("eval/{stem}.eval.json")));
        assert_figures(&report.scores, &expected, stem);
    }
}

/// Whole data sets and leaderboard systems, with each set of arguments.
#[test]
fn official_figures_of_whole_data_sets() {
    let Some(folder) =
        shared("data/official_eval.json").and_then(|path| path.parent().map(Path::to_owned))
    else {
        return;
    };
    let all = json(&folder.join("official_eval.json"));
    let file = |entry: &Value| folder.join(entry["prediction_file"].as_str().unwrap());
    let mut checked = 0;
    for (system, entry) in all["squad2"].as_object().unwrap() {
        let plain = Request {
            data: folder.join("squad2/dev-v2.0.json"),
            predictions: file(entry),
            ..Request::default()
        };
        let with = |odds: &str, threshold: Option<f64>, curves: bool| Request {
            null_odds: Some(folder.join("na_prob").join(odds)),
            threshold,
            curves,
            ..plain.clone()
        };
        let odds = format!("odds_{system}.json");
        for (name, request) in [
            ("plain", plain.clone()),
            ("na_prob_hash.json", with("hash.json", None, false)),
            (
                "na_prob_hash.json_t0.5_p",
                with("hash.json", Some(0.5), true),
            ),
            ("na_prob_odds", with(&odds, None, false)),
            ("na_prob_odds_t0_p", with(&odds, Some(0.0), true)),
            ("na_prob_odds_t-2.75", with(&odds, Some(-2.75), false)),
        ] {
            let report = report(&request, Metric::Squad2);
            let entry = &entry[name];
            let expected = entry.get("metrics").unwrap_or(entry);
            assert_figures(&report.scores, expected, &format!("{system}, {name}"));
            checked += 1;
        }
    }
    for (metric, key, data) in [
        (Metric::Squad1, "squad1", "squad1/dev-v1.1.json"),
        (Metric::Mrqa, "newsqa-mrqa", "newsqa-mrqa/dev.jsonl"),
    ] {
        for (system, entry) in all[key].as_object().unwrap() {
            let request = Request {
                data: folder.join(data),
                predictions: file(entry),
                ..Request::default()
            };
            let report = report(&request, metric);
            assert_figures(&report.scores, &entry["metrics"], system);
            let missing = entry["missing"].as_u64().unwrap_or(0);
            assert_eq!(report.missing.len() as u64, missing, "{system}");
            checked += 1;
        }
    }
    // 3 systems × 6 sets of arguments, 5 systems, 1.
    assert_eq!(checked, 24);
}

/// A run of the reference that really learns: its scores and its line of results.
#[test]
fn figures_and_results_of_a_learning_run() {
    let Some(folder) = shared("reference/qa-facts") else {
        return;
    };
    let request = Request {
        data: folder.join("dev.json"),
        predictions: folder.join("eval/squad_preds.json"),
        null_odds: Some(folder.join("eval/squad_null_odds.json")),
        threshold: Some(-2.75),
        ..Request::default()
    };
    let report = report(&request, Metric::Squad2);
    assert_figures(
        &report.scores,
        &json(&folder.join("eval/squad_eval.json")),
        "qa-facts",
    );
    let trial = TrialResults {
        tasks: vec![("squad".to_owned(), report.scores)],
    };
    assert_eq!(
        results_text(&[trial], |_, scores| scores.sorted_line()),
        std::fs::read_to_string(folder.join("eval/squad_results.txt")).unwrap()
    );
}

/// Files whose ids do not match: counted and reported, and rejected if none does.
#[test]
fn ids_that_do_not_match_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let squad = r#"{"version": "1.1", "data": [{"paragraphs": [{"context": "An oak.", "qas": [
        {"id": "a", "question": "?", "answers": [{"text": "oak", "answer_start": 3}]},
        {"id": "b", "question": "?", "answers": [{"text": "oak", "answer_start": 3}]}]}]}]}"#;
    let mrqa = concat!(
        r#"{"context": "An oak.", "qas": [{"qid": "a", "question": "?", "answers": ["oak"], "#,
        r#""detected_answers": []}, {"qid": "b", "question": "?", "answers": ["oak"], "#,
        r#""detected_answers": []}]}"#
    );
    let some = put("some.json", r#"{"a": "oak", "y": "x", "z": "x"}"#);
    let none = put("none.json", r#"{"y": "oak"}"#);
    for (data, exact) in [(put("d.json", squad), 50.0), (put("d.jsonl", mrqa), 100.0)] {
        let score = |predictions: &Path| {
            std::process::Command::new(env!("CARGO_BIN_EXE_electra"))
                .args([Path::new("score"), Path::new("--data"), &data])
                .args([Path::new("--predictions"), predictions])
                .output()
                .unwrap()
        };
        let output = score(&some);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        for part in [
            "1 question has no prediction (the first is b)",
            "2 predictions belong to no question",
        ] {
            assert!(stderr.contains(part), "{stderr}");
        }
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(figures["exact_match"], exact);
        let output = score(&none);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains("none of the 2 questions has a prediction"),
            "{stderr}"
        );
        assert!(output.stdout.is_empty());
    }
}

/// Answers without null odds to questions of which some are unanswerable.
#[test]
fn answers_that_cannot_be_held_back_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d.json");
    std::fs::write(
        &data,
        r#"{"version": "v2.0", "data": [{"paragraphs": [{"context": "An oak.", "qas": [
        {"id": "a", "question": "?", "answers": [{"text": "oak", "answer_start": 3}]},
        {"id": "b", "question": "?", "is_impossible": true, "answers": []}]}]}]}"#,
    )
    .unwrap();
    let score = |predictions: &str| {
        let path = folder.path().join("squad_preds.json");
        std::fs::write(&path, predictions).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([Path::new("score"), Path::new("--data"), &data])
            .args([Path::new("--predictions"), &path])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(folder.path().join("squad_null_odds.json"), "{}").unwrap();
    let said = score(r#"{"a": "oak", "b": "elm"}"#);
    for part in [
        "no prediction is empty, though 1 question of",
        "electra score --data",
        "squad_null_odds.json --threshold X",
        "metric squad2, without null odds",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let said = score(r#"{"a": "oak", "b": ""}"#);
    assert!(!said.contains("warning"), "{said}");
}
