//! Tests `electra runs` and `electra compare`: what they list about runs, the differences that they
//! find, and what they reject.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::{evaluated_run::EvaluatedRun, place::golden, small_run::SmallRun};
use electra::{
    config::Config,
    report::Sections,
    tasks::qa::report::task::{TaskFiles, TaskReport},
};

fn electra(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn succeed(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = electra(folder, arguments);
    let [out, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(0), "{told}");
    (out, told)
}

#[track_caller]
fn refuse(folder: &Path, arguments: &[&str]) -> String {
    let output = electra(folder, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    told
}

/// Returns every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => drop(files.insert(path.clone(), fs::read(path).unwrap())),
            }
        }
    }
    files
}

/// Simulated runs on the data of an evaluated one, without their models.
struct Laid {
    data: EvaluatedRun,
    tasks: &'static [&'static str],
}

impl Laid {
    fn new(tasks: &'static [&'static str]) -> Self {
        let data = EvaluatedRun::new(tasks);
        Self { data, tasks }
    }

    fn folder(&self) -> &Path {
        self.data.folder.path()
    }

    fn config(&self, name: &str, more: &Value) -> Config {
        let mut given = json!({
            "task_names": self.tasks, "max_seq_length": 48, "vocab_size": 2048,
            "model_dir": self.folder().join("tries").join(name),
        });
        for (key, value) in more.as_object().unwrap() {
            given[key] = value.clone();
        }
        let given = given.as_object().unwrap();
        Config::resolve(self.folder(), "m", given).unwrap().0
    }

    /// Creates an unfinished run; returns the folder of its trial and that of its predictions,
    /// which are those of `EvaluatedRun`.
    fn begin(&self, name: &str, more: &Value) -> (PathBuf, PathBuf) {
        let config = self.config(name, more);
        let trial = config.paths().model_dir(1);
        fs::create_dir_all(&trial).unwrap();
        fs::write(trial.join("config.json"), config.to_json().to_string()).unwrap();
        let step = json!({
            "step": 11, "loss": 1.0, "grad_norm": 1.0, "learning_rate": 0.1, "features": 2,
            "tokens": 20, "seconds": 0.5, "peak_bytes": null,
        });
        fs::write(trial.join("train_log.jsonl"), format!("{step}\n")).unwrap();
        let results = config.results_txt.parent().unwrap().to_owned();
        let from = self.folder().join("models/m/results");
        for (path, bytes) in files(&from) {
            let to = results.join(path.strip_prefix(&from).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
        (trial, results)
    }

    /// Creates a finished run with these scores; returns the folder of its predictions.
    fn finish(&self, name: &str, more: &Value, figures: &[Value]) -> PathBuf {
        let (_, results) = self.begin(name, more);
        let trials: serde_json::Map<String, Value> = figures
            .iter()
            .zip(1..)
            .map(|(results, trial)| {
                let finished = json!({
                    "steps": 12, "training": {}, "model": "removed", "evaluation": {}, "results": results,
                    "files": [],
                });
                (trial.to_string(), finished)
            })
            .collect();
        let trials = Value::Object(trials);
        let sum = crc32c::crc32c(trials.to_string().as_bytes());
        let ledger = json!({"crc32c": sum, "trials": trials});
        let path = self
            .folder()
            .join("tries")
            .join(format!("{name}_trials.json"));
        fs::write(path, ledger.to_string()).unwrap();
        results
    }
}

#[test]
fn runs_are_listed_with_what_differs_among_them() {
    let laid = Laid::new(&["rte"]);
    let figures = |accuracy: f64| json!({"rte": {"accuracy": accuracy, "loss": 0.5}});
    laid.finish("slow", &json!({}), &[figures(75.0)]);
    let fast = json!({"learning_rate": 3e-5, "num_trials": 3});
    laid.finish(
        "fast",
        &fast,
        &[figures(70.0), figures(71.0), figures(75.0)],
    );
    laid.begin(
        "begun",
        &json!({"model_hparam_overrides": {"hidden_size": 64}}),
    );
    let (lost, _) = laid.begin("lost", &json!({}));
    fs::remove_file(lost.join("config.json")).unwrap();
    let (renamed, _) = laid.begin("named", &json!({}));
    fs::rename(&renamed, renamed.with_file_name("best_so_far")).unwrap();
    fs::write(laid.folder().join("tries/gone_trials.json"), "{}").unwrap();
    for pretrained in ["one", "two"] {
        let folder = laid.folder().join("tries").join(pretrained);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("pretrain_log.jsonl"), "").unwrap();
    }
    let before = files(laid.folder());
    let (out, told) = succeed(laid.folder(), &["runs", "."]);
    let rows: Vec<Vec<&str>> = out
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    let heads = [
        "rte",
        "model",
        "trials",
        "accuracy",
        "last written",
        "learning_rate",
        "model_hparam_overrides.hidden_size",
    ];
    assert_eq!(rows[0], heads, "{out}");
    // The mean, and the sample standard deviation √((4 + 1 + 9) / 2).
    for (row, folder, trials, accuracy, rate, width) in [
        (1, "tries/begun", "unfinished, step 12", "–", "0.0001", "64"),
        (2, "tries/best_so_far", "was named_…", "–", "0.0001", "–"),
        (3, "tries/fast", "3", "72.00 ± 2.65", "0.00003", "–"),
        (4, "tries/slow", "1", "75.00", "0.0001", "–"),
    ] {
        let [found, model, rest @ ..] = &rows[row][..] else {
            panic!("{out}")
        };
        assert_eq!((*found, *model), (folder, "m"), "{out}");
        assert_eq!(
            [rest[0], rest[1], rest[3], rest[4]],
            [trials, accuracy, rate, width]
        );
        assert!(rest[2].len() == 16 && rest[2].starts_with("20"), "{out}");
    }
    assert_eq!(rows.len(), 5, "{out}");
    for part in [
        "warning: not listed: ",
        "lost_1/config.json: missing",
        "gone_trials.json",
        "pre-training runs are not listed: ./tries/one and 1 more; electra report RUN shows one",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (out, _) = succeed(laid.folder(), &["runs", "--json", "."]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    let run = &listed["runs"][2];
    assert_eq!(run["summary"]["rte"]["accuracy"]["mean"], 72.0);
    assert_eq!(run["trials"][1]["results"]["rte"]["accuracy"], 71.0);
    assert_eq!(run["settings"]["learning_rate"], 3e-5);
    assert_eq!(
        listed["runs"][0]["trials"][0],
        json!({"trial": 1, "state": "unfinished", "steps": 12})
    );
    assert_eq!(listed["unreadable"].as_array().unwrap().len(), 2);
    assert_eq!(listed["pretraining"], json!(["./tries/one", "./tries/two"]));
    assert!(files(laid.folder()) == before, "something was written");
    let message = refuse(laid.folder(), &["runs", "nothing"]);
    assert!(message.contains("nothing: reading failed"), "{message}");
    let (out, told) = succeed(laid.folder(), &["runs", "finetuning_data"]);
    assert!(
        out.is_empty() && told.contains("no run found below it"),
        "{told}"
    );
}

#[test]
fn figures_differ_with_an_interval_and_examples_are_gained() {
    let laid = Laid::new(&["rte"]);
    // 19 of 24 are correct.
    let learned = 100.0 * 19.0 / 24.0;
    laid.finish(
        "first",
        &json!({}),
        &[json!({"rte": {"accuracy": learned}})],
    );
    let other = laid.finish(
        "other",
        &json!({"learning_rate": 3e-5}),
        &[json!({"rte": {"accuracy": 100.0}})],
    );
    let predictions = other.join("rte_predictions/rte_dev.jsonl");
    let lines = fs::read_to_string(&predictions).unwrap();
    let right = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let class = line["label_id"].as_u64().unwrap();
        line["prediction"] = json!(class);
        line["logits"] = if class == 0 {
            json!([4.0, -4.0])
        } else {
            json!([-4.0, 4.0])
        };
        format!("{line}\n")
    });
    fs::write(&predictions, right.collect::<String>()).unwrap();

    let runs = ["tries/first_1", "tries/other"];
    let (out, told) = succeed(
        laid.folder(),
        &["compare", runs[0], runs[1], "--output", "page.html"],
    );
    // Text is wrapped only on a terminal.
    let mut tables = out.lines().filter(|line| !line.starts_with("    "));
    assert!(tables.all(|line| line.chars().count() <= 80), "{out}");
    for part in [
        "learning_rate  0.0001",
        "rte, 24 texts: run 2 against run 1",
        &format!("{:20}     79.17    100.00      +20.83   +", "accuracy"),
        "gained: 5 texts, right only in run 2\n",
        "lost: 0 texts, right only in run 1\n",
        "    gold: ",
        "10000 samples, seed 1",
        "page: page.html",
    ] {
        assert!(out.contains(part), "{part}\n{out}\n{told}");
    }
    assert_eq!(out.matches("    gold: ").count(), 3, "{out}");
    let page = fs::read_to_string(laid.folder().join("page.html")).unwrap();
    for part in [
        "<title>first_1 · other</title>",
        "<td><code>learning_rate</code></td><td class=\"told\" data-label=\"run 1\">0.0001</td>\
         <td class=\"told\" data-label=\"run 2\">0.00003</td>",
        "data-label=\"95 % interval\">+",
        "<b>+20.83</b>",
        "Texts, right only in run 2: 5 of 5 are here",
        "rte: run 2 against run 1",
    ] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    assert_eq!(page.matches("<article").count(), 5);
    assert_eq!(page.matches("<script").count(), 3);

    let (out, _) = succeed(laid.folder(), &["compare", "--json", runs[0], runs[1]]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let task = &told["comparisons"][0]["tasks"]["rte"];
    let accuracy = &task["figures"]["accuracy"];
    assert!((accuracy["difference"].as_f64().unwrap() - (100.0 - learned)).abs() < 1e-9);
    let ends = ["low", "high"].map(|end| accuracy["interval"][end].as_f64().unwrap());
    // The mean difference is 5 / 24 with a standard deviation of √(5 · 19 / 24³): the interval ends
    // are about two deviations from it, in steps of 1 / 24.
    let deviation = 100.0 * (5.0 * 19.0 / 24_f64.powi(3)).sqrt();
    for (end, expected) in ends.iter().zip([-1.96, 1.96]) {
        let expected = 100.0 - learned + expected * deviation;
        assert!((end - expected).abs() < 100.0 / 24.0, "{end} {expected}");
    }
    assert_eq!(task["gained"].as_array().unwrap().len(), 5);
    assert_eq!(
        told["bootstrap"],
        json!({"resamples": 10_000, "seed": 1, "confidence": 0.95})
    );
    let (again, _) = succeed(laid.folder(), &["compare", "--json", runs[0], runs[1]]);
    assert_eq!(again, out);
}

/// Compares two runs of some tasks, the second with different predictions.
fn told(tasks: &'static [&'static str], change: impl FnOnce(&Path)) -> Value {
    let laid = Laid::new(tasks);
    let scores: serde_json::Map<String, Value> = tasks
        .iter()
        .map(|task| ((*task).to_owned(), json!({})))
        .collect();
    laid.finish("a", &json!({}), &[json!(scores)]);
    let results = laid.finish("b", &json!({}), &[json!(scores)]);
    change(&results);
    let arguments = [
        "compare",
        "--json",
        "tries/a",
        "tries/b",
        "--output",
        "page.html",
    ];
    let (out, _) = succeed(laid.folder(), &arguments);
    assert!(laid.folder().join("page.html").is_file());
    let told: Value = serde_json::from_str(&out).unwrap();
    told["comparisons"][0].clone()
}

/// Returns the keys of the metrics that have an interval, and of those that have none.
fn keys(task: &Value) -> (Vec<&str>, Vec<&str>) {
    let figures = task["figures"].as_object().unwrap();
    let (with, without): (Vec<_>, Vec<_>) = figures
        .iter()
        .partition(|(_, figure)| figure["interval"].is_object());
    (
        with.into_iter().map(|(key, _)| key.as_str()).collect(),
        without.into_iter().map(|(key, _)| key.as_str()).collect(),
    )
}

#[test]
fn questions_are_compared_under_the_threshold_of_each_run() {
    let told = told(&["squad"], |results| {
        for (name, from) in [
            ("squad_preds.json", "eval/squad2-tiny.bidaf.preds.json"),
            (
                "squad_null_odds.json",
                "eval/squad2-tiny.bidaf.null_odds.json",
            ),
        ] {
            fs::copy(golden(from), results.join("squad_qa").join(name)).unwrap();
        }
    });
    let task = &told["tasks"]["squad"];
    let (with, without) = keys(task);
    let of_samples = [
        "exact",
        "f1",
        "HasAns_exact",
        "HasAns_f1",
        "NoAns_exact",
        "NoAns_f1",
    ];
    assert_eq!(with, of_samples);
    let of_the_file = [
        "best_exact",
        "best_exact_thresh",
        "best_f1",
        "best_f1_thresh",
    ];
    assert_eq!(without, of_the_file);
    let report = |reader: &str| {
        let files = TaskFiles {
            data: golden("data/squad2-tiny.dev.json"),
            predictions: golden(&format!("eval/squad2-tiny.{reader}.preds.json")),
            null_odds: Some(golden(&format!("eval/squad2-tiny.{reader}.null_odds.json"))),
            threshold: None,
        };
        TaskReport::read("squad", &files, None).unwrap()
    };
    let [bert, bidaf] = ["bert", "bidaf"].map(report);
    for key in of_samples {
        let values = [&bert, &bidaf].map(|report| report.scores().get(key).unwrap());
        assert_eq!(task["figures"][key]["values"], json!(values), "{key}");
    }
    let right = |report: &TaskReport| -> Vec<bool> {
        report
            .analysis
            .judgements
            .iter()
            .map(|judgement| judgement.right)
            .collect()
    };
    let pairs: Vec<(bool, bool)> = right(&bert).into_iter().zip(right(&bidaf)).collect();
    let count = |pair| pairs.iter().filter(|&&one| one == pair).count();
    assert_eq!(
        task["gained"].as_array().unwrap().len(),
        count((false, true))
    );
    assert_eq!(task["lost"].as_array().unwrap().len(), count((true, false)));
    assert!(count((true, false)) > 0);
}

#[test]
fn passages_show_the_answers_of_both_runs_and_a_legend() {
    let laid = Laid::new(&["squad"]);
    laid.finish("bert", &json!({}), &[json!({"squad": {}})]);
    let results = laid.finish("bidaf", &json!({}), &[json!({"squad": {}})]);
    for name in ["preds", "null_odds"] {
        let from = golden(&format!("eval/squad2-tiny.bidaf.{name}.json"));
        fs::copy(from, results.join(format!("squad_qa/squad_{name}.json"))).unwrap();
    }
    let runs = ["tries/bert", "tries/bidaf"];
    let output = ["--output", "page.html"];
    succeed(laid.folder(), &[&["compare"][..], &runs, &output].concat());
    let page = fs::read_to_string(laid.folder().join("page.html")).unwrap();
    assert!(page.contains("<title>bert · bidaf</title>"));
    for part in [
        "<mark class=\"gold\">gold answers</mark>",
        "<mark class=\"predicted\">the prediction of the run</mark>",
        "<mark class=\"both\">both</mark>",
    ] {
        assert_eq!(page.matches(part).count(), 1, "{part}");
    }
    // Of two runs only one is right: their marks differ.
    let of_run = |run: usize| {
        page.matches(&format!("<p class=\"meta\">run {run}</p>"))
            .count()
    };
    assert!(of_run(1) > 0);
    assert_eq!(of_run(1), of_run(2));
    let passages = page.matches("<p class=\"passage\"").count();
    assert_eq!(passages, page.matches("<article").count() + of_run(1));
}

#[test]
fn every_kind_of_task_has_intervals() {
    let chunk = told(&["chunk"], |results| {
        let other = golden("chunk/eval/predictions.dev.trained.jsonl");
        fs::copy(other, results.join("chunk_predictions/chunk_dev.jsonl")).unwrap();
    });
    let chunk = &chunk["tasks"]["chunk"];
    assert_eq!(
        keys(chunk),
        (vec!["precision", "recall", "f1", "loss"], vec![])
    );
    let f1 = &chunk["figures"]["f1"];
    assert!(f1["difference"].as_f64().unwrap() < 0.0, "{f1}");
    assert!(f1["interval"]["low"].as_f64().unwrap() < f1["difference"].as_f64().unwrap());
    assert!(!chunk["lost"].as_array().unwrap().is_empty());

    let sts = told(&["sts"], |results| {
        let path = results.join("sts_predictions/sts_dev.jsonl");
        let lines = fs::read_to_string(&path).unwrap();
        // The correct numbers for every other text.
        let lines = lines.lines().enumerate().map(|(place, line)| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if place % 2 == 0 {
                line["prediction"] = line["target"].clone();
            }
            format!("{line}\n")
        });
        let text: String = lines.collect();
        fs::write(path, text).unwrap();
    });
    let sts = &sts["tasks"]["sts"];
    assert_eq!(
        keys(sts),
        (vec!["pearson", "spearman", "mse", "loss"], vec![])
    );
    for key in ["pearson", "spearman"] {
        assert!(
            sts["figures"][key]["interval"]["high"].as_f64().unwrap() > 0.0,
            "{key}"
        );
    }
    assert!(sts["figures"]["mse"]["interval"]["high"].as_f64().unwrap() < 0.0);
    assert!(sts["lost"].as_array().unwrap().is_empty());

    let mixed = told(&["mnli", "names"], |_| {});
    for task in ["mnli", "mnli dev_mismatched", "names"] {
        let task = &mixed["tasks"][task];
        assert!(!keys(task).0.is_empty(), "{task}");
        for (key, figure) in task["figures"].as_object().unwrap() {
            assert_eq!(figure["interval"]["low"], 0.0, "{key}");
        }
        assert_eq!((&task["gained"], &task["lost"]), (&json!([]), &json!([])));
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let laid = Laid::new(&["rte"]);
    let figures = || vec![json!({"rte": {"accuracy": 100.0 * 19.0 / 24.0}})];
    laid.finish("first", &json!({}), &figures());
    let elsewhere = laid.folder().join("elsewhere/{}");
    let there = json!({"raw_data_dir": elsewhere});
    laid.finish("other", &there, &figures());
    let dev = laid.folder().join("elsewhere/rte/dev.tsv");
    fs::create_dir_all(dev.parent().unwrap()).unwrap();
    let own = fs::read_to_string(laid.data.data("rte", "dev.tsv")).unwrap();
    let compare = |runs: &[&str]| refuse(laid.folder(), &[&["compare"], runs].concat());
    // A different text with the same label.
    let changed = own
        .lines()
        .map(|line| line.replacen('\t', "\tIndeed ", 1) + "\n");
    let changed: String = changed.collect();
    assert_ne!(changed, own);
    fs::write(&dev, changed).unwrap();
    let message = compare(&["tries/first", "tries/other"]);
    for part in [
        "rte: tries/first answers the examples of ",
        "elsewhere/rte/dev.tsv (sha256 ",
        "text 1 is example ",
        "compare runs that were evaluated on the same dev file",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // The same texts at another path are the same examples.
    fs::write(&dev, &own).unwrap();
    succeed(laid.folder(), &["compare", "tries/first", "tries/other_1"]);

    let (begun, _) = laid.begin("begun", &json!({}));
    for path in ["tries/begun", begun.to_str().unwrap()] {
        let message = compare(&["tries/first", path]);
        let expected = format!(
            "{path}: expected a trial that was evaluated, found one that is unfinished, at step 12; start \
             the run again with its own command; it resumes from there\n"
        );
        assert!(message.contains(&expected), "{message}");
    }
    let message = compare(&["tries/first", "tries/other_9"]);
    let expected = "tries/other_9: expected a trial that was evaluated, found no trial 9 (the run has 1; \
                    evaluated: 1); give one of its trials\n";
    assert!(message.contains(expected), "{message}");
    laid.finish(
        "several",
        &json!({"num_trials": 4}),
        &[&figures()[..], &[json!({})], &figures()[..]].concat(),
    );
    for (trial, expected) in [
        (
            2,
            "found one that was only trained; start the run again with its own command",
        ),
        (
            4,
            "found no trial 4 yet (4 planned; evaluated: 1, 3); start the run again",
        ),
        (
            5,
            "found no trial 5 (the run has 4; evaluated: 1, 3); give one of its trials",
        ),
    ] {
        let message = compare(&["tries/first", &format!("tries/several_{trial}")]);
        assert!(message.contains(expected), "{message}");
    }
    for again in ["tries/first_1", "tries/../tries/first_1", "./tries/first"] {
        let message = compare(&["tries/first", again]);
        let expected = format!("{again}: given twice (trial 1)");
        assert!(message.contains(&expected), "{message}");
    }
    let message = compare(&["tries/first", "tries/nothing_1"]);
    assert!(message.contains("electra runs DIR"), "{message}");
    let message = compare(&["tries/first"]);
    assert!(message.contains("<RUN>"), "{message}");
    let input = laid.data.data("rte", "dev.tsv");
    let arguments = [
        "tries/first",
        "tries/other",
        "--output",
        input.to_str().unwrap(),
    ];
    let message = compare(&arguments);
    assert!(message.contains("is an input"), "{message}");
    assert_eq!(fs::read_to_string(&input).unwrap(), own);

    let chunk = Laid::new(&["chunk"]);
    chunk.finish("tags", &json!({}), &[json!({"chunk": {"f1": 90.0}})]);
    let tags = chunk.folder().join("tries/tags");
    let message = compare(&["tries/first", tags.to_str().unwrap()]);
    assert!(
        message.contains("have no task in common: the first has rte, the other chunk"),
        "{message}"
    );
}

#[test]
fn why_runs_answer_other_examples_of_one_file_is_told() {
    let laid = Laid::new(&["rte"]);
    let figures = [json!({"rte": {}})];
    laid.finish("whole", &json!({}), &figures);
    let part = laid.finish("part", &json!({"max_eval_examples": 10}), &figures);
    let predictions = part.join("rte_predictions/rte_dev.jsonl");
    let lines = fs::read_to_string(&predictions).unwrap();
    let first: String = lines.split_inclusive('\n').take(10).collect();
    fs::write(&predictions, first).unwrap();
    let message = refuse(laid.folder(), &["compare", "tries/whole", "tries/part"]);
    for part in [
        "rte: both runs answer the examples of ",
        "rte/dev.tsv (sha256 ",
        "but tries/whole has answers to 24 texts, tries/part to 10 texts: max_eval_examples is null there and 10 \
         here; evaluate both with the same",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }

    let laid = Laid::new(&["squad"]);
    let figures = [json!({"squad": {}})];
    laid.finish("whole", &json!({}), &figures);
    let lacking = laid.finish("lacking", &json!({}), &figures);
    let predictions = lacking.join("squad_qa/squad_preds.json");
    let text = fs::read_to_string(&predictions).unwrap();
    let mut answers: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let count = answers.len();
    // Of a question in the middle: those after it have other places.
    let id = answers.keys().nth(count / 2).unwrap().clone();
    answers.remove(&id).unwrap();
    fs::write(&predictions, Value::Object(answers).to_string()).unwrap();
    let message = refuse(laid.folder(), &["compare", "tries/whole", "tries/lacking"]);
    let expected = format!(
        "but tries/whole has answers to {count} questions, tries/lacking to {} questions: tries/lacking lacks \
         predictions; evaluate it again",
        count - 1
    );
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn a_run_s_own_trials_are_listed_and_compared() {
    let run = SmallRun::of_trials();
    run.finish();
    let (out, told) = succeed(&run.data, &["runs", "--json", "."]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1, "{told}");
    let trials = listed["runs"][0]["trials"].as_array().unwrap();
    let results = fs::read_to_string(run.results_dir().join("squad_results.json")).unwrap();
    let results: Vec<Value> = serde_json::from_str(&results).unwrap();
    assert_eq!(trials.len(), 3);
    for (trial, results) in trials.iter().zip(&results) {
        assert_eq!(trial["state"], "finished");
        assert_eq!(&trial["results"], results);
    }
    // Only the last model was kept; the answers of all trials were.
    let common = "models/electra_tiny/finetuning_models/squad_model";
    let [first, last] = [1, 3].map(|trial| format!("{common}_{trial}"));
    let (out, _) = succeed(&run.data, &["compare", &first, &last]);
    for part in [
        "trial   1 of 3",
        "seed    1",
        "squad, 60 questions",
        "exact",
        "gained: ",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let exact = |trial: usize| results[trial]["squad"]["exact"].as_f64().unwrap();
    let values = format!("{:>10.2}{:>10.2}", exact(0), exact(2));
    assert!(out.contains(&format!("{:20}{values}", "exact")), "{out}");
}
