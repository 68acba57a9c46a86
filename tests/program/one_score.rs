//! Tests that the same predictions get the same score from every command, and keep it beside the
//! results of other checkpoints.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{place::golden, small_run::SmallRun};
use serde_json::Value;

fn electra(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(arguments)
        .env("ELECTRA_DEVICE", "cpu")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    output
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

fn read(path: &Path) -> Value {
    json(&fs::read(path).unwrap())
}

/// Returns exact match, F1, and F1 of the answerable questions.
fn figures(scores: &Value) -> [f64; 3] {
    ["exact", "f1", "HasAns_f1"].map(|key| scores[key].as_f64().unwrap())
}

/// A run that was trained for a few steps, and a dev file on which it scores: for some questions
/// its own answer is the correct one.
struct Trained {
    run: SmallRun,
    hparams: Value,
    /// The rounded median of the null scores of the dev file.
    middle: f64,
}

impl Trained {
    fn new(more: &Value) -> Self {
        let run = SmallRun::new();
        let dev = run.data.join("finetuning_data/squad/dev.json");
        fs::copy(golden("data/squad2-tiny.dev.json"), &dev).unwrap();
        let mut hparams = SmallRun::hparams();
        hparams["do_eval"] = true.into();
        hparams["num_train_epochs"] = 0.5.into();
        let mut trained = Trained {
            run,
            hparams,
            middle: 0.0,
        };
        trained.finetune(more);
        let qa = trained.results().join("squad_qa");
        let answers = read(&qa.join("squad_preds.json"));
        let odds = read(&qa.join("squad_null_odds.json"));
        let mut sorted: Vec<f64> = odds
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_f64)
            .collect();
        sorted.sort_by(f64::total_cmp);
        // As printed, so that the output can be searched for it.
        trained.middle = (100.0 * sorted[sorted.len() / 2]).round() / 100.0;
        let mut data = read(&dev);
        mark_own_answers(&mut data, &answers, &odds, trained.middle);
        fs::write(&dev, data.to_string()).unwrap();
        trained
    }

    /// Trains if necessary, evaluates, and keeps the settings for later commands.
    fn finetune(&mut self, more: &Value) {
        for (key, value) in more.as_object().unwrap() {
            self.hparams[key] = value.clone();
        }
        self.command("finetune", &[]);
    }

    fn command(&self, name: &str, more: &[&str]) -> Output {
        let hparams = self.hparams.to_string();
        electra(&[&self.arguments(name, &hparams)[..], more].concat())
    }

    fn arguments<'a>(&'a self, name: &'a str, hparams: &'a str) -> [&'a str; 7] {
        let data = self.run.data.to_str().unwrap();
        [
            name,
            "--data-dir",
            data,
            "--model-name",
            "electra_tiny",
            "--hparams",
            hparams,
        ]
    }

    fn dev(&self) -> String {
        text(self.run.data.join("finetuning_data/squad/dev.json"))
    }

    fn model(&self) -> String {
        text(self.run.model_dir())
    }

    fn results(&self) -> PathBuf {
        self.run.data.join("models/electra_tiny/results")
    }
}

/// Makes the model's own answer correct where its null score is low, except for every fourth
/// question, and makes all other questions unanswerable.
fn mark_own_answers(data: &mut Value, answers: &Value, odds: &Value, middle: f64) {
    let mut count = 0;
    for article in list(&mut data["data"]) {
        for paragraph in list(&mut article["paragraphs"]) {
            let context = paragraph["context"].as_str().unwrap().to_owned();
            for question in list(&mut paragraph["qas"]) {
                let id = question["id"].as_str().unwrap().to_owned();
                let answer = answers[&id].as_str().unwrap();
                let place = context.find(answer).filter(|_| !answer.is_empty());
                count += 1;
                let known = odds[&id].as_f64().unwrap() <= middle && count % 4 > 0;
                let place = place.filter(|_| known);
                question["is_impossible"] = place.is_none().into();
                question
                    .as_object_mut()
                    .unwrap()
                    .remove("plausible_answers");
                question["answers"] = place.map_or_else(
                    || serde_json::json!([]),
                    |byte| {
                        let start = context[..byte].chars().count();
                        serde_json::json!([{"text": answer, "answer_start": start}])
                    },
                );
            }
        }
    }
}

fn list(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().unwrap().iter_mut()
}

fn text(path: PathBuf) -> String {
    path.to_str().unwrap().to_owned()
}

/// Formats a value as in a sentence.
fn signed(value: f64) -> String {
    format!("{value:.2}").replace('-', "−")
}

#[test]
fn score_evaluate_report_and_predict_give_the_same_figures() {
    let mut run = Trained::new(&serde_json::json!({}));
    let threshold = run.middle;
    run.finetune(&serde_json::json!({"qa_na_threshold": threshold}));
    let results = run.results();
    let dev = run.dev();
    let preds = text(results.join("squad_qa/squad_preds.json"));
    let trained = read(&results.join("squad_results.json"));
    let expected = figures(&trained[0]["squad"]);
    assert!(expected[2] > 50.0 && expected[1] < 100.0, "{expected:?}");

    let evaluated = run.command("evaluate", &["--json"]);
    let trials = json(&evaluated.stdout);
    assert_eq!(figures(&trials[0]["squad"]), expected);
    let stderr = said(&evaluated);
    let basis = format!("metric squad2, qa_na_threshold {}", signed(threshold));
    assert!(stderr.contains(&basis), "{stderr}");

    let by_score = electra(&["score", "--data", &dev, "--predictions", &preds]);
    assert_eq!(figures(&json(&by_score.stdout)), expected);
    let stderr = said(&by_score);
    let basis = format!(
        "metric squad2, threshold {} (the predictions' own)",
        signed(threshold)
    );
    assert!(stderr.contains(&basis), "{stderr}");
    assert!(!stderr.contains("warning"), "{stderr}");

    let page = text(results.join("again.html"));
    let report = [
        "report",
        "--data",
        &dev,
        "--predictions",
        &preds,
        "--output",
        &page,
    ];
    let analysis = json(&electra(&[&report[..], &["--json"]].concat()).stdout);
    assert_eq!(figures(&analysis["scores"]), expected);
    assert_eq!(analysis["threshold"], threshold);
    let by_report = String::from_utf8(electra(&report).stdout).unwrap();
    assert!(by_report.contains(&basis), "{by_report}");
    for page in [Path::new(&page), &results.join("squad_report.html")] {
        let page = fs::read_to_string(page).unwrap();
        let [exact, f1, _] = expected.map(|figure| format!("<b>{figure:.2}</b>"));
        assert!(page.contains(&format!("{exact}<span>exact match</span>")));
        assert!(page.contains(&format!("{f1}<span>F1</span>")));
    }

    let model = run.model();
    let answers = text(run.run.data.join("new/answers"));
    let predict = [
        "predict",
        "--checkpoint",
        &model,
        "--data",
        &dev,
        "--output",
        &answers,
    ];
    let told = String::from_utf8(electra(&predict).stdout).unwrap();
    let held_back = format!("with no answer at threshold {}", signed(threshold));
    assert!(told.contains(&held_back), "{told}");
    let preds = format!("{answers}/preds.json");
    let by_predict = electra(&["score", "--data", &dev, "--predictions", &preds]);
    assert_eq!(figures(&json(&by_predict.stdout)), expected);
    assert!(said(&by_predict).contains(&basis));

    // With another threshold: the files record it.
    let told = electra(&[&predict[..], &["--json", "--threshold", "-99"]].concat());
    let told = json(&told.stdout);
    assert_eq!(told["questions"], told["no_answer"]);
    assert_eq!(
        (&told["threshold"], &told["output"]),
        (&(-99.0).into(), &Value::from(&*answers))
    );
    let held_back = electra(&["score", "--data", &dev, "--predictions", &preds]);
    assert_eq!(json(&held_back.stdout)["HasAns_f1"], 0.0);
    let stderr = said(&held_back);
    let what = "all questions held back by qa_na_threshold −99.00; at ";
    assert!(stderr.contains(what), "{stderr}");
    assert!(
        stderr.contains("answers alone: 100.00 / 100.00"),
        "{stderr}"
    );

    // Given null odds are used even if the record names others.
    let moved = format!("{answers}/moved.json");
    fs::rename(format!("{answers}/null_odds.json"), &moved).unwrap();
    let score = ["score", "--json", "--data", &dev, "--predictions", &preds];
    let given = electra(&[&score[..], &["--null-odds", &moved]].concat());
    assert_eq!(json(&given.stdout)["HasAns_f1"], 0.0);
    let events: Vec<Value> = said(&given)
        .lines()
        .map(|line| json(line.as_bytes()))
        .collect();
    assert!(
        events.iter().all(|event| event["event"] != "warning"),
        "{events:?}"
    );
    assert_eq!(events.last().unwrap()["event"], "end");
    // Without null odds, a threshold has no effect.
    let refused = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["report", "--data", &dev, "--predictions", &preds])
        .args(["--output", &moved, "--threshold", "1"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let stderr = said(&refused);
    assert!(
        stderr.contains("threshold (--threshold) needs no-answer scores"),
        "{stderr}"
    );
}

#[test]
fn a_report_says_where_it_comes_from() {
    let mut run = Trained::new(&serde_json::json!({"learning_rate": 2e-4, "seed": 7}));
    run.finetune(&serde_json::json!({"qa_na_threshold": -99.0}));
    let page = fs::read_to_string(run.results().join("squad_report.html")).unwrap();
    let origin = page.split("id=\"origin\"").nth(1).unwrap();
    let sum = Command::new("sha256sum").arg(run.dev()).output();
    for part in [
        "squad_model_1",
        &format!("electra {}", env!("CARGO_PKG_VERSION")),
        "(cpu), f32",
        "<th>seed</th><td>7</td>",
        "learning_rate = 0.0002",
        "num_train_epochs = 0.5",
        "electra finetune --data-dir",
        "Z by electra",
        "squad/dev.json",
    ] {
        assert!(origin.contains(part), "{part} is not in {origin}");
    }
    if let Ok(sum) = sum {
        let sum = String::from_utf8(sum.stdout).unwrap();
        let sum = sum.split_whitespace().next().unwrap();
        assert!(origin.contains(sum), "{sum}");
    }
    // What a threshold below all null scores hides.
    let results = read(&run.results().join("squad_results.json"));
    let squad = &results[0]["squad"];
    assert_eq!(squad["HasAns_f1"], 0.0);
    let advice = squad["threshold_advice"]["text"].as_str().unwrap();
    let what = "all questions held back by qa_na_threshold −99.00; at ";
    assert!(advice.starts_with(what), "{advice}");
    assert!(
        advice.ends_with("answers alone: 100.00 / 100.00"),
        "{advice}"
    );
    assert!(page.contains(advice), "{advice}");
    // Started again, the finished run prints the same.
    let again = run.command("finetune", &["--json"]);
    assert_eq!(json(&again.stdout)[0]["squad"], *squad);
    let text = fs::read_to_string(run.results().join("squad_results.txt")).unwrap();
    assert!(!text.contains("held back"), "the reference's file: {text}");
}

#[test]
fn another_checkpoint_has_results_of_its_own() {
    let run = Trained::new(&serde_json::json!({}));
    let own = run.results().join("squad_results.json");
    let before = fs::read(&own).unwrap();
    let other = run.run.data.join("other");
    copy(&run.run.model_dir(), &other);
    // As a conversion describes a model, and electra calibrate its threshold.
    let mut config = read(&other.join("config.json"));
    config.as_object_mut().unwrap().remove("task_names");
    config["qa_na_threshold"] = (-99.0).into();
    fs::write(other.join("config.json"), config.to_string()).unwrap();
    let evaluated = run.command("evaluate", &["--checkpoint", other.to_str().unwrap()]);
    let stderr = said(&evaluated);
    assert!(
        stderr.contains("from the model: qa_na_threshold -99"),
        "{stderr}"
    );
    assert!(other.join("results/squad_qa/squad_preds.json").is_file());
    let results = read(&other.join("results/squad_results.json"));
    assert_eq!(results[0]["squad"]["HasAns_f1"], 0.0);
    let other = other.to_str().unwrap();
    let elsewhere = run.run.data.join("new/deep");
    let output = [
        "--checkpoint",
        other,
        "--output",
        elsewhere.to_str().unwrap(),
    ];
    run.command("evaluate", &output);
    assert!(elsewhere.join("squad_report.html").is_file());
    // The file has other answers now, so anything written here would differ.
    assert_eq!(fs::read(&own).unwrap(), before);
}

#[test]
fn one_trial_s_evaluation_leaves_the_results_of_all() {
    let more = serde_json::json!({"num_trials": 2, "keep_all_models": true});
    let mut run = Trained::new(&more);
    let own = run.results().join("squad_results.json");
    let before = fs::read(&own).unwrap();
    run.hparams.as_object_mut().unwrap().remove("num_trials");
    run.command("evaluate", &[]);
    assert_eq!(fs::read(&own).unwrap(), before);
    let of_trial = run.run.model_dir().join("results/squad_results.json");
    assert_eq!(list(&mut read(&of_trial)).count(), 1);
    assert_eq!(list(&mut json(&before)).count(), 2);

    // Both are evaluated again, the first into the place of the last.
    run.hparams["num_trials"] = 2.into();
    run.hparams["qa_na_threshold"] = (-99.0).into();
    let output = run.command("finetune", &[]);
    let stderr = said(&output);
    let evaluated = stderr.matches("only evaluated now").count();
    assert_eq!(evaluated, 2, "{stderr}");
    assert!(!stderr.contains("gone or was changed"), "{stderr}");
    let listed = |output: &Output| {
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        let files = printed.split_once("\nfiles:").unwrap().1;
        files.contains("squad_summary")
    };
    assert!(listed(&output));

    // One trial's results do not match the summary.
    run.hparams["num_trials"] = 1.into();
    let output = run.command("finetune", &[]);
    let stderr = said(&output);
    assert!(stderr.contains("hold the answers of trial 2"), "{stderr}");
    assert!(!listed(&output));
    let summary = |name: &str| run.results().join(format!("squad_summary.{name}")).exists();
    assert_eq!(["json", "txt"].map(summary), [false; 2]);
    assert_eq!(["json.old", "txt.old"].map(summary), [true; 2]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in ["model.bpk", "config.json", "vocab.txt"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_place_that_cannot_be_written_is_found_before_the_model_answers() {
    let run = Trained::new(&serde_json::json!({}));
    let file = run.run.data.join("file");
    fs::write(&file, "mine").unwrap();
    let below = text(file.join("answers"));
    let (model, dev, hparams) = (run.model(), run.dev(), run.hparams.to_string());
    let evaluate = run.arguments("evaluate", &hparams);
    let predict = ["predict", "--checkpoint", &model, "--data", &dev];
    for arguments in [&evaluate[..], &predict] {
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args(arguments)
            .args(["--output", &below])
            .env("ELECTRA_DEVICE", "cpu")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = said(&output);
        assert!(stderr.contains("cannot be written"), "{stderr}");
        // Nothing was opened yet.
        assert!(!stderr.contains("device:"), "{stderr}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_calibrated_threshold_stays_with_the_model() {
    let mut run = Trained::new(&serde_json::json!({}));
    let config = run.run.model_dir().join("config.json");
    run.finetune(&serde_json::json!({"calibrate": true, "qa_na_threshold": -99.0}));
    let stored = read(&config);
    let chosen = stored["qa_na_threshold"].as_f64().unwrap();
    let results = read(&run.results().join("squad_results.json"));
    let squad = &results[0]["squad"];
    // The run's scores are those at the given threshold.
    assert_eq!(squad["HasAns_f1"], 0.0);
    assert_eq!(chosen, squad["best_f1_thresh"].as_f64().unwrap());
    assert_eq!(stored["calibration"]["replaced"], -99.0);

    // The finished run, started again, keeps it.
    run.command("finetune", &[]);
    assert_eq!(read(&config)["qa_na_threshold"].as_f64(), Some(chosen));

    // In a later evaluation the model uses it, unless told otherwise.
    let hparams = run.hparams.as_object_mut().unwrap();
    hparams.remove("calibrate");
    hparams.remove("qa_na_threshold");
    let evaluated = run.command("evaluate", &["--json"]);
    let stderr = said(&evaluated);
    assert!(
        stderr.contains("from the model: qa_na_threshold"),
        "{stderr}"
    );
    let f1 = json(&evaluated.stdout)[0]["squad"]["f1"].as_f64().unwrap();
    let promised = stored["calibration"]["f1"].as_f64().unwrap();
    assert!((f1 - promised).abs() < 1e-9, "{f1} {promised}");
    let told = run.command("evaluate", &["--json", "--set", "qa_na_threshold=-99"]);
    assert_eq!(json(&told.stdout)[0]["squad"]["HasAns_f1"], 0.0);

    // The command does the same to a model at any location.
    let other = run.run.data.join("other");
    copy(&run.run.model_dir(), &other);
    let mut fresh = read(&other.join("config.json"));
    fresh["qa_na_threshold"] = (-99.0).into();
    fresh.as_object_mut().unwrap().remove("calibration");
    fs::write(other.join("config.json"), fresh.to_string()).unwrap();
    let (model, dev) = (other.to_str().unwrap(), run.dev());
    let output = electra(&["calibrate", "--checkpoint", model, "--data", &dev]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("stored in ") && told.contains("−99.00"),
        "{told}"
    );
    let stored = read(&other.join("config.json"));
    assert_eq!(stored["qa_na_threshold"].as_f64(), Some(chosen));
}

#[test]
fn a_model_that_no_threshold_helps_keeps_its_own() {
    // Trained and calibrated on a file for which it has no correct answers.
    let run = Trained::new(&serde_json::json!({"calibrate": true}));
    let stored = read(&run.run.model_dir().join("config.json"));
    let results = read(&run.results().join("squad_results.json"));
    assert_eq!(results[0]["squad"]["best_f1_thresh"], 0.0);
    assert_eq!(stored["qa_na_threshold"], -2.75);
    assert_eq!(stored.get("calibration"), None);
}
