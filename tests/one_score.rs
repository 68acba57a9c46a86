//! The same predictions have one score, whichever command marks them, and keep it beside the
//! results of other checkpoints.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use support::{place::golden, small_run::SmallRun};

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

/// Exact match, F1, and F1 of the answerable questions.
fn figures(scores: &Value) -> [f64; 3] {
    ["exact", "f1", "HasAns_f1"].map(|key| scores[key].as_f64().unwrap())
}

/// A run that was trained for a few steps and evaluated.
struct Evaluated {
    run: SmallRun,
    hparams: String,
}

impl Evaluated {
    fn new(more: &Value) -> Self {
        let run = SmallRun::new();
        let dev = run.data.join("finetuning_data/squad/dev.json");
        fs::copy(golden("data/squad2-tiny.dev.json"), dev).unwrap();
        let mut hparams = SmallRun::hparams();
        hparams["do_eval"] = true.into();
        hparams["num_train_epochs"] = 0.5.into();
        for (key, value) in more.as_object().unwrap() {
            hparams[key] = value.clone();
        }
        let evaluated = Evaluated {
            run,
            hparams: hparams.to_string(),
        };
        evaluated.command("finetune", &[]);
        evaluated
    }

    fn command(&self, name: &str, more: &[&str]) -> Output {
        let data = self.run.data.to_str().unwrap();
        let own = [
            name,
            "--data-dir",
            data,
            "--model-name",
            "electra_tiny",
            "--hparams",
            &self.hparams,
        ];
        electra(&[&own[..], more].concat())
    }

    fn dev(&self) -> String {
        self.text(self.run.data.join("finetuning_data/squad/dev.json"))
    }

    fn results(&self) -> PathBuf {
        self.run.data.join("models/electra_tiny/results")
    }

    fn text(&self, path: PathBuf) -> String {
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn score_evaluate_report_and_predict_give_the_same_figures() {
    let threshold = -0.5;
    let run = Evaluated::new(&serde_json::json!({"qa_na_threshold": threshold}));
    let results = run.results();
    let dev = run.dev();
    let preds = run.text(results.join("squad_qa/squad_preds.json"));
    let trained = read(&results.join("squad_results.json"));
    let expected = figures(&trained[0]["squad"]);

    let evaluated = run.command("evaluate", &["--json"]);
    let trials = json(&evaluated.stdout);
    assert_eq!(figures(&trials[0]["squad"]), expected);
    let stderr = said(&evaluated);
    assert!(stderr.contains("qa_na_threshold −0.50"), "{stderr}");

    let by_score = electra(&["score", "--data", &dev, "--predictions", &preds]);
    assert_eq!(figures(&json(&by_score.stdout)), expected);
    let stderr = said(&by_score);
    let basis = "metric squad2, threshold −0.50 (the predictions' own)";
    assert!(stderr.contains(basis), "{stderr}");
    assert!(!stderr.contains("warning"), "{stderr}");

    let page = run.text(results.join("again.html"));
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
    assert!(by_report.contains(basis), "{by_report}");
    for page in [Path::new(&page), &results.join("squad_report.html")] {
        let page = fs::read_to_string(page).unwrap();
        let [exact, f1, _] = expected.map(|figure| format!("<b>{figure:.2}</b>"));
        assert!(page.contains(&format!("{exact}<span>exact match</span>")));
        assert!(page.contains(&format!("{f1}<span>F1</span>")));
    }

    let model = run.text(run.run.model_dir());
    let answers = run.text(run.run.data.join("new/answers"));
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
    assert!(told.contains("with no answer at threshold −0.50"), "{told}");
    let preds = format!("{answers}/preds.json");
    let by_predict = electra(&["score", "--data", &dev, "--predictions", &preds]);
    assert_eq!(figures(&json(&by_predict.stdout)), expected);
    assert!(said(&by_predict).contains(basis));

    // Another threshold on the way: the files carry it.
    electra(&[&predict[..], &["--threshold", "-9"]].concat());
    let held_back = electra(&["score", "--data", &dev, "--predictions", &preds]);
    assert_eq!(json(&held_back.stdout)["HasAns_f1"], 0.0);
    let stderr = said(&held_back);
    assert!(
        stderr.contains("all questions held back by qa_na_threshold −9.00"),
        "{stderr}"
    );
    assert!(stderr.contains("answers alone: "), "{stderr}");
    assert!(
        stderr.lines().all(|line| line.chars().count() <= 80),
        "{stderr}"
    );
}

#[test]
fn a_report_says_where_it_comes_from() {
    let run = Evaluated::new(&serde_json::json!({"learning_rate": 2e-4, "seed": 7}));
    let page = fs::read_to_string(run.results().join("squad_report.html")).unwrap();
    let origin = page.split("id=\"origin\"").nth(1).unwrap();
    let sum = Command::new("sha256sum").arg(run.dev()).output();
    for part in [
        "squad_model_1",
        &format!("electra {}", env!("CARGO_PKG_VERSION")),
        "(cpu), f32",
        "<th>seed</th><td>7</td>",
        "<code>learning_rate = 0.0002</code>",
        "<code>num_train_epochs = 0.5</code>",
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
    // A model as small as this has its null scores above the threshold of the published one.
    let results = read(&run.results().join("squad_results.json"));
    let squad = &results[0]["squad"];
    assert_eq!(squad["HasAns_f1"], 0.0);
    let advice = squad["threshold_advice"]["text"].as_str().unwrap();
    let what = "all questions held back by qa_na_threshold −2.75; ";
    assert!(advice.starts_with(what), "{advice}");
    assert!(advice.contains("answers alone: "), "{advice}");
    assert!(page.contains("all questions held back by qa_na_threshold −2.75"));
    let text = fs::read_to_string(run.results().join("squad_results.txt")).unwrap();
    assert!(!text.contains("held back"), "the reference's file: {text}");
}

#[test]
fn another_checkpoint_has_results_of_its_own() {
    let run = Evaluated::new(&serde_json::json!({}));
    let own = run.results().join("squad_results.json");
    let before = fs::read(&own).unwrap();
    let modified = fs::metadata(&own).unwrap().modified().unwrap();
    let other = run.run.data.join("other");
    copy(&run.run.model_dir(), &other);
    run.command("evaluate", &["--checkpoint", other.to_str().unwrap()]);
    let below = other.join("results/squad_qa/squad_preds.json");
    assert!(below.is_file());
    assert_eq!(
        read(&other.join("results/squad_results.json")),
        json(&before)
    );
    let elsewhere = run.run.data.join("new/deep");
    let output = [
        "--checkpoint",
        other.to_str().unwrap(),
        "--output",
        elsewhere.to_str().unwrap(),
    ];
    run.command("evaluate", &output);
    assert!(elsewhere.join("squad_report.html").is_file());
    assert_eq!(fs::metadata(&own).unwrap().modified().unwrap(), modified);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in ["model.bpk", "config.json", "vocab.txt"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_place_that_cannot_be_written_is_found_before_the_model_answers() {
    let run = Evaluated::new(&serde_json::json!({}));
    let file = run.run.data.join("file");
    fs::write(&file, "mine").unwrap();
    let below = run.text(file.join("answers"));
    let (model, dev) = (run.text(run.run.model_dir()), run.dev());
    let data = run.text(run.run.data.clone());
    for arguments in [
        vec![
            "predict",
            "--checkpoint",
            &model,
            "--data",
            &dev,
            "--output",
            &below,
        ],
        vec![
            "evaluate",
            "--data-dir",
            &data,
            "--model-name",
            "electra_tiny",
            "--hparams",
            &run.hparams,
            "--output",
            &below,
        ],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args(&arguments)
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
fn a_model_that_no_threshold_helps_keeps_its_own() {
    let run = Evaluated::new(&serde_json::json!({"calibrate": true}));
    let stored = read(&run.run.model_dir().join("config.json"));
    let results = read(&run.results().join("squad_results.json"));
    // The search found nothing better than to answer nothing.
    assert_eq!(results[0]["squad"]["best_f1_thresh"], 0.0);
    assert_eq!(stored["qa_na_threshold"], -2.75);
    assert_eq!(stored.get("calibration"), None);
}
