//! Tests `electra report` of runs: what the page of each kind of task shows, and which predictions
//! are rejected.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{evaluated_run::EvaluatedRun, place::golden};
use electra::{
    eval::{file_digest::FileDigest, origin::Origin},
    tasks::qa::{answers::provenance::Provenance, scorers::metric::Metric},
};

const NOTE: &str = "qa_na_threshold";

#[track_caller]
fn assert_shows(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "{part}\nis not in the page");
    }
    assert!(html.len() < 3_000_000);
    // Only the charts' data, the library and the page's own script, whatever the data contain.
    assert_eq!(html.matches("<script").count(), 3);
    for outside in ["src=\"", "<link", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn a_page_of_classes() {
    let run = EvaluatedRun::new(&["rte"]);
    let (html, told) = run.html(&[]);
    // The same score as the reference's: 19 of 24.
    assert!(
        told.contains("rte\n  accuracy") && told.contains("79.17"),
        "{told}"
    );
    assert_shows(
        &html,
        &[
            "<title>m on rte</title>",
            "<b>79.17</b><span>accuracy</span>",
            "<b>24</b><span>examples</span>",
            "3 rows have too few columns and are left out",
            "True class (rows) by predicted class (columns)",
            "id=\"confidence\"",
            "Accuracy by confidence",
            "<th class=\"n\">predicted</th>",
            "<option value=\"1\">not_entailment</option>",
            "Wrong predictions, the surest first: 5 of 5 are here",
            "Right predictions, the surest first: 19 of 19 are here",
            "rte_dev.jsonl",
        ],
    );
    assert!(!html.contains(NOTE) && !html.contains("id=\"no-answer\""));
    assert_eq!(html.matches("<article").count(), 24);
    let (html, _) = run.html(&["--examples", "1"]);
    // One of each true class, wrong and correct.
    assert_eq!(html.matches("<article").count(), 4);
    let (_, told) = run.html(&["--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let accuracy = told["tasks"]["rte"]["accuracy"].as_f64().unwrap();
    assert!((accuracy - 100.0 * 19.0 / 24.0).abs() < 1e-9, "{told}");
}

#[test]
fn a_page_of_numbers() {
    let run = EvaluatedRun::new(&["sts"]);
    let (html, told) = run.html(&[]);
    assert!(told.contains("pearson") && told.contains("4.67"), "{told}");
    // The mean of |prediction − target| × 5 over the reference's record.
    let lines = fs::read_to_string(golden("glue/sts/predictions.dev.trained.jsonl")).unwrap();
    let errors: Vec<f64> = lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let number = |key: &str| line[key].as_f64().unwrap();
            5.0 * (number("prediction") - number("target")).abs()
        })
        .collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let worst = errors.iter().copied().fold(0.0, f64::max);
    assert_shows(
        &html,
        &[
            "<b>4.67</b><span>Pearson</span>",
            "<b>−0.43</b><span>Spearman</span>",
            &format!("<b>{mean:.3}</b><span>mean absolute error</span>"),
            "Predicted against right",
            "\"kind\":\"scatter\"",
            &format!("<dt>off by</dt><dd>{worst:.3}</dd>"),
            "the worst first",
        ],
    );
    assert!(!html.contains(NOTE) && !html.contains("Confusion matrix"));
}

#[test]
fn a_page_of_tags() {
    let run = EvaluatedRun::new(&["chunk"]);
    let (html, told) = run.html(&[]);
    assert!(told.contains("f1") && told.contains("90.67"), "{told}");
    assert_shows(
        &html,
        &[
            "<b>90.67</b><span>F1 over spans</span>",
            "<b>112</b><span>gold spans</span>",
            "wrong boundaries",
            "<mark class=\"both\">",
            "<small>NP</small>",
        ],
    );
    assert!(!html.contains(NOTE));

    let run = EvaluatedRun::new(&["names"]);
    let (html, _) = run.html(&[]);
    // Of four gold spans one is correct; one is truncated, one has another type, one is missed;
    // "left" is spurious.
    let row = |name: &str, counts: [usize; 6]| {
        let cells = counts.map(|count| format!("<td class=\"n\">{count}</td>"));
        format!("<th scope=\"row\">{name}</th>{}", cells.concat())
    };
    assert_shows(
        &html,
        &[
            &row("LOC", [0, 1, 0, 0, 1, 1]),
            &row("PER", [1, 0, 1, 0, 0, 0]),
            "<td>LOC</td><td>PER</td><td class=\"n\">1</td>",
            // PER: 1 of 3 predicted, 1 of 2 gold.
            "<th scope=\"row\">PER</th><td class=\"n\">33.3</td><td class=\"n\">50.0</td>\
             <td class=\"n\">40.0</td><td class=\"n\">2</td><td class=\"n\">3</td><td class=\"n\">1</td>",
            "<mark class=\"gold\">Ada Lovelace <small>PER</small></mark> met \
             <mark class=\"gold\">&lt;script&gt; <small>LOC</small></mark>",
            "<mark class=\"predicted\">Ada <small>PER</small></mark>",
            "<mark class=\"predicted\">left <small>LOC</small></mark>",
            "<article data-error=\"0 1\" data-gold=\"0 1\" data-predicted=\"1\">",
            // e² / (e² + 8)
            "most confident mistake 48.0 %",
        ],
    );
}

#[test]
fn both_dev_files_of_mnli_are_shown() {
    let run = EvaluatedRun::new(&["mnli"]);
    let (html, told) = run.html(&[]);
    assert!(
        told.contains("mnli\n") && told.contains("mnli dev_mismatched\n"),
        "{told}"
    );
    assert_shows(
        &html,
        &[
            "<h3>mnli</h3>",
            "<h3>mnli dev_mismatched</h3>",
            "<b>100.00</b><span>accuracy</span>",
            "<b>50.00</b><span>accuracy</span>",
            "A &lt;script&gt; of dev_mismatched 3",
            "predictions, mnli dev_mismatched",
        ],
    );
}

#[test]
fn a_mixture_shows_its_tasks_in_the_order_of_the_run() {
    let run = EvaluatedRun::new(&["rte", "squad", "chunk", "sts"]);
    let results = run
        .folder
        .path()
        .join("models/m/results/rte,squad,chunk,sts_results.json");
    fs::write(
        results,
        r#"[{"rte": {"accuracy": 79.17}, "squad": {"exact": 50.0}, "chunk": {"f1": 90.0}, "sts": {"mse": 0.1}}]"#,
    )
    .unwrap();
    let (html, told) = run.html(&[]);
    for task in ["rte\n", "squad\n", "chunk\n", "sts\n"] {
        assert!(told.contains(task), "{told}");
    }
    assert_shows(
        &html,
        &["id=\"no-answer\"", "id=\"confidence\"", "id=\"lengths\""],
    );
    let mut place = 0;
    let mut next = |text: &str| {
        let found = html[place..].find(text);
        place += found.unwrap_or_else(|| panic!("{text} does not follow"));
    };
    next("<h2>Errors</h2>");
    for task in ["rte", "squad", "chunk", "sts"] {
        next(&format!("<h3 class=\"name\">{task}</h3>"));
    }
    // The threshold concerns only the questions.
    assert_eq!(
        html.matches("Under the threshold that the run was given")
            .count(),
        1
    );
    let place = |text: &str| html.find(text).unwrap();
    let note = place("Under the threshold that the run");
    assert!(place("squad, as evaluated") < note && note < place("chunk, as evaluated"));
}

#[test]
fn predictions_of_other_data_are_refused() {
    let run = EvaluatedRun::new(&["rte", "chunk"]);
    let predictions = run.predictions("rte", "dev");
    let whole = fs::read_to_string(&predictions).unwrap();
    let told = |change: &dyn Fn()| {
        fs::write(&predictions, &whole).unwrap();
        change();
        run.refuse(&[])
    };
    let shorter: String = whole
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    let message = told(&|| fs::write(&predictions, &shorter).unwrap());
    for part in [
        "rte_dev.jsonl: line 1: expected eid 0",
        "found eid 1",
        "evaluate the run again",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let other = whole.replacen("\"label_id\": 0", "\"label_id\": 1", 1);
    let message = told(&|| fs::write(&predictions, &other).unwrap());
    assert!(message.contains("line 1: expected label_id 0"), "{message}");
    let message = told(&|| fs::write(&predictions, "not JSON\n").unwrap());
    assert!(
        message.contains("line 1: expected a JSON object"),
        "{message}"
    );
    let message = told(&|| fs::remove_file(&predictions).unwrap());
    assert!(message.contains("evaluate the run first"), "{message}");
    fs::write(&predictions, &whole).unwrap();
    // Words that this max_seq_length would truncate differently.
    let message = run.refuse(&["--set", "max_seq_length=64"]);
    assert!(
        message.contains("chunk_dev.jsonl: line ") && message.contains("at this max_seq_length"),
        "{message}"
    );
    let message = run.refuse(&["--trial", "2"]);
    assert!(
        message.contains("--trial: expected a number from 1 to 1"),
        "{message}"
    );
    let message = run.refuse(&["--set", "num_trials=2", "--trial", "1"]);
    assert!(message.contains("rte_dev_1.jsonl"), "{message}");
    fs::copy(&predictions, run.predictions("rte", "dev_1")).unwrap();
    fs::copy(
        run.predictions("chunk", "dev"),
        run.predictions("chunk", "dev_1"),
    )
    .unwrap();
    run.html(&["--set", "num_trials=2", "--trial", "1"]);
}

#[test]
fn the_trials_of_a_run_are_those_of_its_results() {
    let run = EvaluatedRun::new(&["rte"]);
    let models = run.folder.path().join("models/m");
    // 19 of 24 are correct in the last trial, all in the first.
    let trials = json!([
        {"rte": {"accuracy": 100.0}},
        {"rte": {"accuracy": 50.0}},
        {"rte": {"accuracy": 100.0 * 19.0 / 24.0}},
    ]);
    let results = models.join("results/rte_results.json");
    fs::write(&results, trials.to_string()).unwrap();
    for trial in 1..=3 {
        let folder = models.join(format!("finetuning_models/rte_model_{trial}"));
        fs::create_dir_all(&folder).unwrap();
        let step = |number: u64| {
            json!({
                "step": number, "loss": 1.0, "grad_norm": 1.0, "learning_rate": 0.1, "features": 2,
                "tokens": 20, "seconds": 0.5, "peak_bytes": null,
            })
        };
        let log = format!("{}\n{}\n", step(0), step(1));
        fs::write(folder.join("train_log.jsonl"), log).unwrap();
    }
    let message = run.refuse(&["--trial", "4"]);
    for part in [
        "--trial: expected a number from 1 to 3, the trials in ",
        "rte_results.json, found 4",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // The last trial's are not used instead.
    let message = run.refuse(&["--trial", "1"]);
    assert!(message.contains("rte_dev_1.jsonl"), "{message}");

    let last = fs::read_to_string(run.predictions("rte", "dev")).unwrap();
    let right = last.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let class = line["label_id"].as_u64().unwrap();
        line["prediction"] = json!(class);
        line["logits"] = match class {
            0 => json!([4.0, -4.0]),
            _ => json!([-4.0, 4.0]),
        };
        format!("{line}\n")
    });
    let first = run.predictions("rte", "dev_1");
    fs::write(&first, right.collect::<String>()).unwrap();
    fs::write(run.predictions("rte", "dev_3"), &last).unwrap();
    for (given, accuracy) in [
        (&["--trial", "1"] as &[&str], "100.00"),
        (&["--trial", "3"], "79.17"),
        (&[], "79.17"),
        (&["--trial", "1", "--set", "num_trials=3"], "100.00"),
    ] {
        let (html, told) = run.html(given);
        assert!(told.contains(accuracy), "{given:?}: {told}");
        let card = format!("<b>{accuracy}</b><span>accuracy</span>");
        assert_shows(&html, &[&card, "trial 1: ", "trial 2: ", "trial 3: "]);
        // The results have the same scores for that trial.
        assert!(!html.contains("from the predictions"), "{given:?}");
    }
    let before = fs::read(&first).unwrap();
    let output = run.report(&["--output", first.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&first).unwrap(), before);
}

#[test]
fn answers_of_an_interrupted_run_are_not_taken_for_another_trial_s() {
    let run = EvaluatedRun::new(&["rte"]);
    let models = run.folder.path().join("models/m");
    let folder = models.join("finetuning_models");
    fs::create_dir_all(&folder).unwrap();
    // Trials 2 and 3 are in the results, and 2 is being trained anew: only 3 is finished.
    let scores = |right: f64| json!({"rte": {"accuracy": 100.0 * right / 24.0}});
    let results = models.join("results/rte_results.json");
    fs::write(&results, json!([scores(12.0), scores(19.0)]).to_string()).unwrap();
    let list = |trials: &Value| {
        let sum = crc32c::crc32c(trials.to_string().as_bytes());
        let list = json!({"crc32c": sum, "trials": trials});
        fs::write(folder.join("rte_model_trials.json"), list.to_string()).unwrap();
    };
    let finished = |right: f64| {
        json!({
            "steps": 2, "training": {"seed": 1}, "model": "removed", "evaluation": {},
            "results": scores(right), "files": [],
        })
    };
    let last = fs::read(run.predictions("rte", "dev")).unwrap();
    fs::write(run.predictions("rte", "dev_3"), &last).unwrap();
    // All of one class.
    let text = String::from_utf8(last).unwrap();
    let others = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["prediction"] = json!(0);
        line["logits"] = json!([4.0, -4.0]);
        format!("{line}\n")
    });
    let others = others.collect::<String>();
    fs::write(run.predictions("rte", "dev_2"), others).unwrap();

    list(&json!({"3": finished(19.0)}));
    let (html, told) = run.html(&[]);
    assert!(told.contains("79.17"), "{told}");
    assert_shows(&html, &["<b>79.17</b><span>accuracy</span>"]);
    assert!(!html.contains("from the predictions"));
    let said = String::from_utf8(run.report(&[]).stderr).unwrap();
    assert!(
        said.contains("rte_results.json: expected the figures of finished trials as ")
            && said.contains("rte_model_trials.json has them, found others"),
        "{said}"
    );

    list(&json!({"2": finished(12.0), "3": finished(19.0)}));
    let output = run.report(&[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && !said.contains("found others"),
        "{said}"
    );
    assert_shows(&run.html(&[]).0, &["trial 2", "trial 3", "<b>79.17</b>"]);
}

#[test]
fn a_page_replaces_no_input() {
    let run = EvaluatedRun::new(&["rte"]);
    for input in [run.data("rte", "dev.tsv"), run.predictions("rte", "dev")] {
        let before = fs::read(&input).unwrap();
        let message = run.refuse(&["--output", input.to_str().unwrap()]);
        assert!(message.contains("is an input"), "{message}");
        assert_eq!(fs::read(&input).unwrap(), before);
    }
}

#[test]
fn a_page_replaces_no_file_of_a_model() {
    let run = EvaluatedRun::new(&["rte"]);
    let model = run.folder.path().join("models/m");
    let zip = golden("models/electra_tiny.zip");
    checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
    let trials = model.join("finetuning_models");
    fs::create_dir_all(trials.join("rte_model_1")).unwrap();
    let laid = ["rte_model_trials.json", "rte_model_1/vocab.txt"].map(|name| trials.join(name));
    for path in &laid {
        fs::write(path, "{}").unwrap();
    }
    let own = ["config.json", "conversion.json", "model.bpk", "vocab.txt"];
    for input in own.map(|name| model.join(name)).iter().chain(&laid) {
        let before = fs::read(input).unwrap();
        let message = run.refuse(&["--output", input.to_str().unwrap()]);
        assert!(message.contains("is an input"), "{message}");
        assert!(fs::read(input).unwrap() == before, "{}", input.display());
    }
}

/// Creates answers to `dev.json` in `preds.json`, whose record names the null odds.
fn recorded_answers(null_odds: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (from, to) in [
        ("data/squad2-tiny.dev.json", "dev.json"),
        ("eval/squad2-tiny.bert.preds.json", "preds.json"),
        ("eval/squad2-tiny.bert.null_odds.json", null_odds),
    ] {
        fs::copy(golden(from), at(to)).unwrap();
    }
    let record = Provenance::of(
        FileDigest::of(&at("dev.json")).unwrap(),
        &at("preds.json"),
        Some(&at(null_odds)),
        Some(Metric::Squad2),
        -2.75,
        Origin::default(),
    );
    record.unwrap().write(&at("preds.json")).unwrap();
    folder
}

/// Runs `electra COMMAND --data dev.json --predictions preds.json FLAG FILE`, which must leave
/// `input` unchanged.
fn refuses_to_replace(folder: &Path, command: &str, [flag, file]: [&str; 2], input: &str) {
    let before = fs::read(folder.join(input)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .current_dir(folder)
        .args([command, "--data", "dev.json", "--predictions", "preds.json"])
        .args([flag, file])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("is an input"), "{stderr}");
    assert!(fs::read(folder.join(input)).unwrap() == before, "{input}");
}

#[test]
fn a_page_of_answers_replaces_neither_their_null_odds_nor_their_record() {
    let folder = recorded_answers("null_odds.json");
    for input in ["null_odds.json", "preds.provenance.json"] {
        refuses_to_replace(folder.path(), "report", ["--output", input], input);
    }
}

#[test]
fn points_of_curves_replace_no_null_odds_of_the_record() {
    let folder = recorded_answers("pr_curves.json");
    refuses_to_replace(folder.path(), "score", ["--plots", "."], "pr_curves.json");
}
