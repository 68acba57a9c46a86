//! Tests the error analysis and its page: every count against an independent one.
//! tests/golden/analysis/README.md explains the files.

use std::{path::Path, time::Instant};

use crate::support::place::{golden, shared};
use electra::{
    eval::results::TrialResults,
    report::{EXAMPLES, Report, TrainingCurve},
    step_record::StepRecord,
    tasks::qa::{
        no_answer::threshold::ThresholdChoice,
        report::{TaskReport, task::TaskFiles},
    },
};
use serde_json::Value;

fn json(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn task(files: &TaskFiles) -> TaskReport {
    TaskReport::read("squad", files, None).unwrap()
}

fn golden_files(data: &str, stem: &str) -> TaskFiles {
    TaskFiles {
        data: golden(data),
        predictions: golden(&format!("{stem}.preds.json")),
        null_odds: Some(golden(&format!("{stem}.null_odds.json"))),
        threshold: Some(ThresholdChoice::Best),
    }
}

fn report(task: &TaskReport) -> Report<'_> {
    Report {
        title: "A <run>".into(),
        tasks: vec![task],
        examples: EXAMPLES,
        ..Report::default()
    }
}

/// Asserts that `found` has everything that is expected; sums of F1 have another order. Returns how
/// many values were compared.
fn assert_holds(found: &Value, expected: &Value, place: &str) -> usize {
    match expected {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| assert_holds(&found[key], value, &format!("{place}.{key}")))
            .sum(),
        Value::Array(items) => {
            let length = found.as_array().map(Vec::len);
            assert_eq!(length, Some(items.len()), "{place}");
            let items = items.iter().enumerate();
            items
                .map(|(i, item)| assert_holds(&found[i], item, &format!("{place}[{i}]")))
                .sum()
        }
        Value::Number(number) => {
            let expected = number.as_f64().unwrap();
            let found = found.as_f64().unwrap_or_else(|| panic!("{place}: {found}"));
            let near = (found - expected).abs() <= 1e-9 * expected.abs();
            assert!(near, "{place}: {found}, expected {expected}");
            1
        }
        _ => {
            assert_eq!(found, expected, "{place}");
            1
        }
    }
}

/// Compares counts and classes of types, including the set of keys.
fn assert_figures(task: &TaskReport, figures: &str) -> usize {
    let found = serde_json::to_value(&task.analysis).unwrap();
    let expected = json(&golden(&format!("analysis/{figures}.json")));
    for part in found["parts"].as_array().unwrap() {
        let same = |other: &&Value| other["part"] == part["part"];
        let other = expected["parts"]
            .as_array()
            .unwrap()
            .iter()
            .find(same)
            .unwrap();
        let types = |part: &Value| part["types"].as_object().unwrap().len();
        assert_eq!(types(part), types(other), "{figures}: {}", part["part"]);
    }
    assert_holds(&found, &expected, figures)
}

#[test]
fn counts_of_small_sets() {
    let mut compared = 0;
    for (data, stem, figures) in [
        (
            "data/squad2-tiny.dev.json",
            "eval/squad2-tiny.bert",
            "squad2-tiny.bert",
        ),
        (
            "data/squad2-tiny.dev.json",
            "eval/squad2-tiny.bidaf",
            "squad2-tiny.bidaf",
        ),
        ("eval/made-up.squad2.json", "eval/made-up", "made-up"),
        (
            "analysis/dialogue.json",
            "analysis/dialogue",
            "dialogue.figures",
        ),
    ] {
        compared += assert_figures(&task(&golden_files(data, stem)), figures);
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn counts_and_page_of_squads_development_set() {
    let Some(data) = shared("data") else { return };
    let systems = [
        ("bert", "BERT (single model) (Google AI Language)"),
        ("nlnet", "nlnet (single model) (Microsoft Research Asia)"),
        (
            "bidaf",
            "BiDAF + Self Attention + ELMo (single model) (Allen Institute for Artificial \
             Intelligence [modified by Stanford])",
        ),
    ];
    for (name, system) in systems {
        let files = TaskFiles {
            data: data.join("squad2/dev-v2.0.json"),
            predictions: data.join(format!("predictions/v2.0/{system}.json")),
            null_odds: Some(data.join(format!("na_prob/odds_{name}.json"))),
            threshold: Some(ThresholdChoice::Best),
        };
        let began = Instant::now();
        let task = task(&files);
        let seconds = began.elapsed().as_secs_f64();
        let compared = assert_figures(&task, &format!("squad2-dev.{name}"));
        assert!(compared > 400, "{compared}");
        let began = Instant::now();
        let page = report(&task).html();
        let seconds = seconds + began.elapsed().as_secs_f64();
        assert!(page.len() < 3_000_000, "{} bytes", page.len());
        println!(
            "{name}: {compared} figures, {} bytes, {seconds:.2} s",
            page.len()
        );
        assert!(
            seconds < 200.0,
            "{seconds} s, a hundred times what a page may take on a quiet machine"
        );
    }
}

#[test]
fn texts_of_the_data_are_no_markup() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let evil = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\" & '";
    let data = serde_json::json!({"version": "v2.0", "data": [{"paragraphs": [{
        "context": format!("Before {evil} after."),
        "qas": [
            {"id": evil, "question": evil, "answers": [{"text": evil, "answer_start": 7}],
             "followup": evil, "yesno": evil},
            {"id": "b", "question": evil, "answers": [], "followup": "y"},
        ],
    }]}]});
    let files = TaskFiles {
        data: write("<b>.json", data),
        predictions: write("p.json", serde_json::json!({evil: "Before", "b": evil})),
        null_odds: Some(write("o.json", serde_json::json!({evil: -1.0, "b": -2.0}))),
        threshold: None,
    };
    let mut trials = Vec::new();
    let task = TaskReport::read(evil, &files, None).unwrap();
    let mut page = report(&task);
    trials.push(TrialResults {
        tasks: vec![(evil.into(), task.analysis.scores.clone())],
    });
    page.trials = trials;
    page.training = vec![
        TrainingCurve {
            name: evil.into(),
            steps: steps(3),
            dev: Vec::new(),
        },
        TrainingCurve {
            name: evil.into(),
            steps: steps(2),
            dev: Vec::new(),
        },
    ];
    page.title = evil.into();
    let html = page.html();
    // Three of ours: the charts' data, the library, the page's own.
    assert_eq!(html.matches("<script").count(), 3);
    assert_eq!(html.matches("</script").count(), 3);
    assert!(!html.contains("<img"));
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(
        html.contains("<mark class=\"gold\">&lt;/script&gt;"),
        "marks"
    );
}

fn steps(count: u64) -> Vec<StepRecord> {
    let step = |step| StepRecord {
        step,
        loss: 8.0 / (step + 1) as f64,
        task_losses: None,
        grad_norm: 1.0,
        learning_rate: 1e-3,
        features: 4,
        tokens: 100,
        seconds: 0.5,
        peak_bytes: Some(2_000_000),
        exchange: None,
    };
    (0..count).map(step).collect()
}

#[test]
fn a_page_has_every_part_that_there_is_data_for() {
    let files = golden_files("analysis/dialogue.json", "analysis/dialogue");
    let full = task(&files);
    let mut page = report(&full);
    let scores = full.analysis.scores.clone();
    let trial = |scores| TrialResults {
        tasks: vec![("squad".to_owned(), scores)],
    };
    page.trials = vec![trial(scores.clone()), trial(scores)];
    page.training = vec![TrainingCurve {
        name: "trial 1".into(),
        steps: steps(3),
        dev: Vec::new(),
    }];
    let html = page.html();
    for part in [
        "<title>A &lt;run&gt;</title>",
        "id=\"scores\"",
        "mean ± sd",
        "± 0.00",
        "id=\"training\"",
        "Gradient norm",
        "id=\"no-answer\"",
        "Precision and recall",
        "followup_other",
        "Kinds of “how”",
        "By follow-up flag",
        "By yes/no flag",
        "id=\"lengths\"",
        "<mark class=\"both\">steam tram</mark>",
        "1 of 1 are here",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // A single file: nothing is fetched from elsewhere.
    for outside in ["src=\"", "<link", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    let without = TaskFiles {
        null_odds: None,
        ..files
    };
    let html = report(&task(&without)).html();
    assert!(!html.contains("id=\"no-answer\"") && !html.contains("id=\"training\""));
}

#[test]
fn a_page_stands_under_the_threshold_given_and_holds_the_best_beside_it() {
    let at = |threshold| TaskFiles {
        threshold: Some(ThresholdChoice::At(threshold)),
        ..golden_files("data/squad2-tiny.dev.json", "eval/squad2-tiny.bidaf")
    };
    let task = task(&at(-20.0));
    let best = task.best.as_ref().unwrap();
    let given = task.analysis.scores.get("f1").unwrap();
    let reached = best.scores.get("f1").unwrap();
    assert_eq!(task.analysis.threshold, Some(-20.0));
    // The curve sums the same values in the order of the null scores.
    assert!((reached - task.analysis.best.unwrap().f1).abs() < 1e-9);
    assert!(given < reached);
    let threshold = best.threshold.unwrap();
    let html = report(&task).html();
    let sign = |value: f64| format!("{value:.2}").replace('-', "−");
    for part in [
        &format!("<b>{given:.2}</b><span>F1</span>"),
        &format!(
            "<b>{reached:.2}</b><span>F1 at {}, chosen on this file</span>",
            sign(threshold)
        ),
        "at −20.00, as scored",
        &format!("at {}, best on this file", sign(threshold)),
        "threshold −20.00 (as given)",
        "aria-label=\"Light or dark colours\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Errors, lengths and examples are each in a template.
    assert_eq!(html.matches("<template>").count(), 3);
    // Legends keep their colours: no element has two class attributes.
    assert!(!html.contains("class=\"key\" class="));
    assert!(html.contains("class=\"key t0\""));
}

#[test]
fn to_answer_nothing_is_no_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let question = |id: &str, answers: Value| serde_json::json!({"id": id, "question": "What?", "answers": answers});
    let oak = serde_json::json!([{"text": "oak", "answer_start": 3}]);
    let none = serde_json::json!([]);
    let data = serde_json::json!({"version": "v2.0", "data": [{"paragraphs": [{
        "context": "An oak.",
        "qas": [question("a", oak), question("b", none.clone()), question("c", none)],
    }]}]});
    let files = TaskFiles {
        data: write("d.json", data),
        predictions: write(
            "p.json",
            serde_json::json!({"a": "elm", "b": "x", "c": "y"}),
        ),
        null_odds: Some(write(
            "o.json",
            serde_json::json!({"a": 3.0, "b": -1.0, "c": 2.0}),
        )),
        threshold: None,
    };
    let task = task(&files);
    assert_eq!(task.analysis.threshold, Some(1.0));
    let mut page = report(&task);
    page.trials = vec![TrialResults {
        tasks: vec![("squad".to_owned(), task.analysis.scores.clone())],
    }];
    let html = page.html();
    assert!(html.contains("<b>66.67</b><span>F1, best: answer nothing</span>"));
    assert!(html.contains("<code>best_f1_thresh</code></td><td class=\"n\">answer nothing</td>"));
    assert!(html.contains("with nothing answered, best on this file"));
    assert!(!html.contains("0.0000"));
}

#[test]
fn what_is_left_out_is_said() {
    let files = golden_files("data/squad2-tiny.dev.json", "eval/squad2-tiny.bidaf");
    let task = task(&files);
    let mut page = report(&task);
    page.examples = 2;
    let html = page.html();
    let wrong = &task.analysis.classes;
    let shown: usize = wrong.iter().map(|class| class.count.min(2)).sum();
    assert_eq!(html.matches("<article").count(), shown);
    let many = wrong.iter().find(|class| class.count > 2).unwrap();
    let said = format!(
        "2 of {} are here, spread evenly over the data; {} are left out",
        many.count,
        many.count - 2
    );
    assert!(html.contains(&said), "{said}");
}
