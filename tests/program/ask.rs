//! Tests the output of `electra ask` for people: the answer, marked in its passage, with and
//! without colours.
#![cfg(unix)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::support::served::Model;
use serde_json::{Value, json};

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
    // The passage as shown: on one line, with nothing that a terminal would interpret.
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
    let first = lines.next().unwrap();
    let threshold = " is above the threshold −1000.00; if there is one: ";
    assert!(first.starts_with("no answer: score "), "{told}");
    assert!(
        first.contains(threshold) && first.ends_with(" %)"),
        "{told}"
    );
    assert_eq!(lines.clone().count(), 6, "{told}");
    assert!(
        lines.last().unwrap().starts_with("no-answer probability "),
        "{told}"
    );
    let told: Value = serde_json::from_str(&ask(&model, &["--json"], &[])).unwrap();
    assert_eq!(
        (&told["answer"], &told["start"]),
        (&json!(""), &Value::Null)
    );
    assert!(told["nbest"][0]["start"].is_u64());
}

#[test]
fn answers_are_computed_within_a_memory_budget() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let usual = ask(&model, &[], &[("NO_COLOR", "1")]);
    let question = ["--question", "What is oxygen?", "--passage", PASSAGE];
    let within = |command: &str, flags: &[&str], budget: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([command, "--device", "cpu", "--memory-budget", budget])
            .args(flags)
            .arg("--checkpoint")
            .arg(model.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let [out, said] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (out, said, output.status.code())
    };
    let (out, said, code) = within("ask", &question, "20MiB");
    assert_eq!((out, code), (usual, Some(0)), "{said}");
    let line = said.lines().find(|line| line.starts_with("memory: "));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains(" of 20 MiB for a prediction; "), "{line}");
    assert!(line.ends_with(" at once"), "{line}");
    let mut commands = vec![("ask", &question[..])];
    if cfg!(feature = "server") {
        commands.push(("serve", &["--port", "0"][..]));
    }
    for (command, flags) in commands {
        let (out, said, code) = within(command, flags, "1MiB");
        assert_eq!((out.as_str(), code), ("", Some(3)), "{command}: {said}");
        for part in [
            "a prediction for one row of ",
            " but the budget is 1 MiB; raise --memory-budget, or leave it out",
        ] {
            assert!(said.contains(part), "{command}: {said}");
        }
    }
    let bench = ["--mode", "predict", "--model-size", "small"];
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["bench", "--memory-budget", "1GiB"])
        .args(bench)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("--memory-budget: bench computes exactly the batch"),
        "{said}"
    );
}

/// Runs `electra ask` with an input; returns its standard output, standard error and exit code.
fn ask_with(model: &Model, flags: &[&str], input: &str) -> (String, String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["ask", "--quiet", "--device", "cpu", "--checkpoint"])
        .arg(model.path())
        .args(flags)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that fails immediately may have ended before anything is written to it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

#[test]
fn passages_and_questions_come_from_flags_files_and_standard_input() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passage.txt");
    std::fs::write(&file, PASSAGE).unwrap();
    let file = file.to_str().unwrap();
    let question = ["--question", "What is oxygen?"];
    let plain = ask(&model, &[], &[("NO_COLOR", "1")]);

    for (flags, input) in [
        (["--passage-file", file], ""),
        (["--passage-file", "-"], PASSAGE),
        (["--passage", "-"], PASSAGE),
    ] {
        let (told, _, code) = ask_with(&model, &[&question[..], &flags].concat(), input);
        assert_eq!(
            (told.as_str(), code),
            (plain.as_str(), Some(0)),
            "{flags:?}"
        );
    }
    // One question per line, each printed above its answer.
    let several = "What is oxygen?\n\nWhat is its symbol?\n";
    for flags in [
        &["--passage-file", file][..],
        &["--passage-file", file, "--question", "-"],
    ] {
        let (told, _, code) = ask_with(&model, flags, several);
        assert_eq!(code, Some(0));
        assert!(
            told.starts_with(&format!("What is oxygen?\n{plain}\nWhat is its symbol?\n")),
            "{told}"
        );
    }
    let (told, _, _) = ask_with(&model, &["--json", "--passage-file", file], several);
    assert_eq!(told.lines().count(), 2);
    let twice = [&question[..], &question, &["--passage-file", file]].concat();
    let (told, _, _) = ask_with(&model, &twice, "");
    assert_eq!(told.matches("What is oxygen?\n").count(), 2);

    for (flags, input, reason) in [
        (
            &["--passage-file", "-"][..],
            PASSAGE,
            "give the question with --question",
        ),
        (&["--passage-file", file], "", "no question"),
        (
            &["--passage-file", "none.txt", "--question", "?"],
            "",
            "none.txt",
        ),
        (&["--passage", "-", "--question", "?"], " ", "found no text"),
        (&["--question", "?"], "", "--passage"),
    ] {
        let (_, said, code) = ask_with(&model, flags, input);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_threshold_can_be_given() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let told = ask(&model, &["--threshold", "-1000"], &[]);
    assert!(told.starts_with("no answer: score "), "{told}");
    // The minus sign as printed is accepted.
    assert_eq!(ask(&model, &["--threshold", "−1000"], &[]), told);
    let json: Value =
        serde_json::from_str(&ask(&model, &["--json", "--threshold=-1000"], &[])).unwrap();
    assert_eq!(
        (&json["answer"], &json["threshold"]),
        (&json!(""), &json!(-1000.0))
    );
}

#[test]
fn a_checkpoint_of_a_run_can_be_asked() {
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let checkpoint = model.path().join("checkpoint-3");
    std::fs::create_dir(&checkpoint).unwrap();
    std::fs::rename(model.path().join("model.bpk"), checkpoint.join("model.bpk")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["ask", "--quiet", "--device", "cpu", "--checkpoint"])
        .arg(&checkpoint)
        .args(["--question", "What is oxygen?", "--passage", PASSAGE])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
