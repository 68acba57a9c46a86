//! `electra ask` as people read it: the answer, marked in its passage, in colours or without.
#![cfg(unix)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::served::Model;

const PASSAGE: &str = "Oxygen is a chemical element with\nsymbol O, and is said to be \x1b[2Jold.";

fn ask(model: &Model, flags: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["ask", "--quiet", "--device", "cpu", "--checkpoint"])
        .arg(model.path())
        .args(["--question", "What is oxygen?", "--passage", PASSAGE])
        .args(flags)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_answer_is_marked_in_its_passage() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let told: Value = serde_json::from_str(&ask(&model, &["--json"], &[])).unwrap();
    let keys: Vec<&str> = told
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "answer",
            "start",
            "end",
            "null_odds",
            "no_answer_probability",
            "threshold",
            "nbest"
        ]
    );
    let answer = told["answer"].as_str().unwrap();
    assert!(!answer.is_empty());
    let position = |key: &str| told[key].as_u64().unwrap() as usize;
    let (start, end) = (position("start"), position("end"));
    // What is shown of the passage: one line, and no command to the terminal.
    let shown = |text: &str| text.replace('\n', " ").replace('\x1b', "\u{fffd}");
    let characters: Vec<char> = PASSAGE.chars().collect();
    let part = |characters: &[char]| shown(&characters.iter().collect::<String>());
    let [before, there, after] = [
        part(&characters[..start]),
        part(&characters[start..end]),
        part(&characters[end..]),
    ];
    assert_eq!(there, shown(answer));

    let plain = ask(&model, &[], &[]);
    let lines: Vec<&str> = plain.lines().collect();
    assert_eq!(lines[0], there);
    assert_eq!(lines[2], format!("  {before}[{there}]{after}"));
    let share = 100.0 * told["nbest"][0]["probability"].as_f64().unwrap();
    assert!(
        lines[4].starts_with(&format!("  {share:5.1}%  ")),
        "{plain}"
    );
    let odds = told["null_odds"].as_f64().unwrap();
    let probability = 100.0 * told["no_answer_probability"].as_f64().unwrap();
    assert_eq!(
        *lines.last().unwrap(),
        format!(
            "no-answer probability {probability:.1}%, score {odds:.2}; above 1000.00 means no answer"
        )
    );
    assert_eq!(lines.len(), 10, "{plain}");

    let coloured = ask(&model, &[], &[("CLICOLOR_FORCE", "1")]);
    let marked = format!("  {before}\x1b[30;43m{there}\x1b[0m{after}");
    assert_eq!(coloured.lines().nth(2), Some(marked.as_str()));
    assert_eq!(ask(&model, &[], &[("NO_COLOR", "1")]), plain);
}

#[test]
fn without_an_answer_nothing_is_marked() {
    let model = Model::new(&json!({"qa_na_threshold": -1e3}));
    let told = ask(&model, &[], &[]);
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some("(no answer)"));
    assert_eq!(lines.count(), 6, "{told}");
    assert!(told.ends_with("above -1000.00 means no answer\n"), "{told}");
    let told: Value = serde_json::from_str(&ask(&model, &["--json"], &[])).unwrap();
    assert_eq!(
        (&told["answer"], &told["start"]),
        (&json!(""), &Value::Null)
    );
    assert!(told["nbest"][0]["start"].is_u64());
}
