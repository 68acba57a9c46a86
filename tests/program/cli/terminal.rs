//! Tests standard output and standard error: what happens if they are closed, and that nothing
//! reaches them unescaped.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::{electra, stderr, stdout};
use crate::support::{place::golden, small_run::SmallRun};

/// Characters that a terminal interprets: the start of a colour sequence, a one-character control
/// sequence, a change of direction.
const STEERING: [char; 3] = ['\x1b', '\u{9b}', '\u{202e}'];

/// Returns a pipe without a reader.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A kind of broken output, and how to create it.
type Broken = (&'static str, fn() -> Stdio);

/// Returns outputs that cannot be written: a pipe without a reader and, on Linux, a full disk.
fn broken() -> Vec<Broken> {
    let mut outputs: Vec<Broken> = vec![("closed", closed_pipe)];
    if cfg!(target_os = "linux") {
        outputs.push(("full", || {
            let full = OpenOptions::new().write(true).open("/dev/full");
            full.unwrap().into()
        }));
    }
    outputs
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.args(arguments).env("ELECTRA_DEVICE", "cpu");
    command
}

#[test]
fn a_run_goes_on_without_its_terminal() {
    for (what, output) in broken() {
        let run = SmallRun::new();
        let mut command = run.command();
        // Produces warnings as well as notes.
        command.args(["--set", "use_tpu=true"]);
        let ended = command.stdout(Stdio::null()).stderr(output()).status();
        assert_eq!(ended.unwrap().code(), Some(0), "{what}");
        assert!(run.model_dir().join("model.bpk").is_file(), "{what}");
        // The run finishes even if nobody reads its results.
        let ended = run.command().stdout(output()).stderr(output()).status();
        let expected = if what == "closed" { 0 } else { 2 };
        assert_eq!(ended.unwrap().code(), Some(expected), "{what}");
    }
}

#[test]
fn an_exit_code_stands_though_nobody_can_read_why() {
    let cases: &[(&[&str], i32)] = &[
        (&["score", "--data", "/none", "--predictions", "/none"], 2),
        (&["devices", "--device", "gpu:99"], 3),
        (&["devices", "--no-such-flag"], 2),
        (&[], 2),
        (&["score", "--json", "--no-such-flag"], 2),
    ];
    for (arguments, code) in cases {
        for (what, output) in broken() {
            let ended = program(arguments)
                .stderr(output())
                .stdout(output())
                .status();
            assert_eq!(ended.unwrap().code(), Some(*code), "{what}: {arguments:?}");
        }
    }
}

#[test]
fn results_that_a_full_disk_does_not_take_are_an_error() {
    for arguments in [
        &["hparams"][..],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        for (what, output) in broken() {
            let mut command = program(arguments);
            let output = command.stdout(output()).stderr(Stdio::piped()).output();
            let output = output.unwrap();
            let (code, message) = match what {
                "closed" => (0, ""),
                _ => (2, "standard output"),
            };
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
            assert!(told.contains(message), "{arguments:?}: {told}");
            assert_eq!(told.is_empty(), code == 0, "{arguments:?}: {told}");
        }
    }
}

/// Returns the events on standard error, which must hold nothing else.
#[track_caller]
fn events(output: &Output) -> Vec<Value> {
    let lines = stderr(output);
    let parse = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(event["event"].is_string(), "{line}");
        event
    };
    lines.lines().map(parse).collect()
}

#[test]
fn with_json_errors_are_events() {
    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["score", "--data", "/none", "--predictions", "/none"],
            2,
            "/none: ",
        ),
        (&["devices", "--device", "gpu:99"], 3, "--device gpu:99: "),
        (
            &["score", "--no-such-flag"],
            2,
            "unexpected argument '--no-such-flag' found",
        ),
        (&["devices", "--device", "cuda"], 2, "invalid value 'cuda'"),
    ];
    for (arguments, code, text) in cases {
        let output = electra(&[*arguments, &["--json"][..]].concat(), &[]);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}");
        let events = events(&output);
        let [error] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(
            (&error["event"], &error["code"]),
            (&json!("error"), &json!(code))
        );
        let told = error["text"].as_str().unwrap();
        assert!(told.starts_with(text), "{told}");
    }
}

/// Returns a run with an evaluation after it.
fn evaluated() -> SmallRun {
    let run = SmallRun::new();
    let dev = run.data.join("finetuning_data/squad/dev.json");
    fs::copy(golden("data/squad2-tiny.dev.json"), dev).unwrap();
    run
}

#[test]
fn with_json_a_run_is_nothing_but_events() {
    let run = evaluated();
    let mut command = run.command();
    command.args(["--set", "do_eval=true", "--set", "use_tpu=true", "--json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = events(&output);
    let of = |name: &str| -> Vec<&Value> {
        let of_name = events.iter().filter(|event| event["event"] == name);
        of_name.collect()
    };
    assert!(
        of("warning")[0]["text"]
            .as_str()
            .unwrap()
            .contains("use_tpu")
    );
    assert_eq!(of("begin").len(), 1);
    assert_eq!(of("step").len(), run.steps().len());
    let parts: Vec<&Value> = of("time").into_iter().map(|time| &time["part"]).collect();
    assert_eq!(parts, [&json!("training"), &json!("evaluation")]);
    assert!(
        of("time")
            .iter()
            .all(|time| time["seconds"].as_f64() > Some(0.0))
    );
    let scores = of("scores");
    assert_eq!(scores.len(), 1);
    assert_eq!(scores[0]["task"], "squad");
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(scores[0]["scores"], printed[0]["squad"]);
    assert_eq!(events.last().unwrap()["event"], "end");
}

#[test]
fn a_run_ends_with_its_figures_and_commands_that_can_be_pasted() {
    let run = evaluated();
    let output = run
        .command()
        .args(["--set", "do_eval=true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    // Once, as a table, and not also on standard error.
    assert_eq!(text.matches("HasAns_exact").count(), 1, "{text}");
    assert!(!stderr(&output).contains("HasAns"), "{}", stderr(&output));
    let lines: Vec<&str> = text.lines().collect();
    let [.., open, ask, serve] = lines[..] else {
        panic!("{text}");
    };
    let report = run
        .data
        .join("models/electra_tiny/results/squad_report.html");
    assert!(open.ends_with(report.to_str().unwrap()), "{open}");
    assert!(serve.contains(" serve --checkpoint "), "{serve}");
    if cfg!(unix) {
        let asked = Command::new("sh").args(["-c", ask]).output().unwrap();
        assert_eq!(asked.status.code(), Some(0), "{ask}: {}", stderr(&asked));
    }
    // Everything but paths and commands fits a terminal.
    for line in lines.iter().filter(|line| !line.contains('/')) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// Asserts that the output contains nothing that a terminal interprets.
#[track_caller]
fn assert_shown(output: &Output) {
    for text in [stdout(output), stderr(output)] {
        assert!(!text.contains(STEERING), "{text:?}");
    }
}

/// Creates files whose ids, texts and names contain characters that a terminal interprets.
fn steering_files(folder: &Path) -> (String, String) {
    let id = "q\u{1b}[31m\u{9b}2J\u{202e}\nerror: no";
    let data = json!({"version": "v2.0", "data": [{"title": "t", "paragraphs": [{
        "context": "Ada wrote it.",
        "qas": [
            {"id": id, "question": "Who?", "is_impossible": false,
                "answers": [{"text": "Bob", "answer_start": 0}]},
            {"id": "p", "question": "Who?", "is_impossible": false,
                "answers": [{"text": "Ada", "answer_start": 0}]},
        ],
    }]}]});
    let write = |name: &str, value: &Value| {
        let path = folder.join(name);
        fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let data = write("da\u{1b}[32mta\u{202e}.json", &data);
    (data, write("preds.json", &json!({"p": "Ada"})))
}

#[test]
#[cfg(unix)]
fn nothing_from_a_file_steers_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (data, predictions) = steering_files(folder.path());
    let page = folder.path().join("pa\x1b[2Jge.html");
    let page = page.to_str().unwrap();
    let missing = folder.path().join("no\u{9b}ne.json");
    let missing = missing.to_str().unwrap();
    let id = r"q\u{1b}[31m\u{9b}2J\u{202e}\nerror: no";
    let cases: &[(&[&str], &str)] = &[
        (&["data", "check", &data], id),
        (
            &["data", "check", &data, "--json"],
            r"q\u001b[31m\u009b2J\u202e\nerror: no",
        ),
        (
            &["score", "--data", &data, "--predictions", &predictions],
            id,
        ),
        (
            &[
                "score",
                "--json",
                "--data",
                &data,
                "--predictions",
                &predictions,
            ],
            r"q\u001b[31m",
        ),
        (&["data", "check", missing], r"no\u{9b}ne.json"),
        (
            &["data", "quac", &data, missing],
            r"da\u{1b}[32mta\u{202e}.json",
        ),
        (
            &[
                "report",
                "--data",
                &data,
                "--predictions",
                &predictions,
                "--output",
                page,
            ],
            r"pa\u{1b}[2Jge.html",
        ),
        (&["devices", "--device", "\x1b[31mred"], "red"),
        (&["ask", "\x1b[31mred\u{202e}"], r"'\u{1b}[31mred\u{202e}'"),
        (&["hparams", "\x1b[31mred"], r"\u{1b}[31mred"),
    ];
    for (arguments, shown) in cases {
        let output = electra(arguments, &[]);
        assert_shown(&output);
        let printed = stdout(&output) + &stderr(&output);
        assert!(printed.contains(shown), "{arguments:?}: {printed}");
    }
    assert!(Path::new(page).is_file());
}
