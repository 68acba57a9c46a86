//! The program itself: output, exit codes, and machines without a graphics adapter.

mod outputs;
mod terminal;

use std::process::{Command, Output, Stdio};

use clap::{Args, Command as Parser, CommandFactory, FromArgMatches};
use electra::{cli, tasks::qa::scorers::metric::Metric};
use serde_json::Value;

/// Variables that take graphics adapters away on Linux, and leave the machine's own elsewhere.
const NO_VULKAN: (&str, &str) = ("VK_ICD_FILENAMES", "/nonexistent");
const NO_OPENGL: (&str, &str) = ("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent");

fn electra(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(arguments)
        .env_remove("ELECTRA_DEVICE")
        .env_remove("VK_DRIVER_FILES")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn devices_says_what_auto_takes() {
    let output = electra(&["devices"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let auto = text.lines().last().unwrap();
    assert!(auto.starts_with("auto takes "), "{text}");
    assert!(!auto.contains("software on"), "{text}");

    let output = electra(&["devices", "--json"], &[]);
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    let adapters = described["adapters"].as_array().unwrap();
    for (index, adapter) in adapters.iter().enumerate() {
        assert_eq!(adapter["index"], index);
        assert_eq!(adapter["precisions"][0], "f32");
        assert!(
            adapter["max_storage_binding"].as_u64().unwrap() >= 1 << 20,
            "{adapter}"
        );
        assert!(text.contains(&format!("gpu:{index}  ")), "{text}");
    }
    let hardware = adapters
        .iter()
        .any(|a| a["type"] != "software" && a["api"] != "gl");
    assert_eq!(
        described["auto"]["backend"] != "cpu",
        hardware,
        "{described}"
    );
    assert!(!described["auto"]["reason"].as_str().unwrap().is_empty());
}

#[test]
fn the_cpu_can_be_asked_for() {
    for environment in [&[][..], &[("ELECTRA_DEVICE", "cpu")]] {
        let flags = if environment.is_empty() {
            vec!["--device", "cpu"]
        } else {
            vec![]
        };
        let output = electra(&[&["devices"], &flags[..]].concat(), environment);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        let line = text.lines().last().unwrap();
        assert!(
            line.starts_with("cpu takes ") && line.ends_with(": as requested"),
            "{text}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn without_any_adapter_auto_takes_the_cpu_and_gpu_is_exit_code_3() {
    let nothing = [NO_VULKAN, NO_OPENGL];
    let output = electra(&["devices"], &nothing);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.starts_with("no graphics adapter found\nauto takes "),
        "{text}"
    );
    assert!(
        text.trim_end()
            .ends_with("threads): no Vulkan, Metal or DirectX 12 adapter found"),
        "{text}"
    );
    assert_eq!(stderr(&output), "");
    for (request, message) in [
        (
            "gpu",
            "error: --device gpu: no Vulkan, Metal or DirectX 12 adapter found; install the \
             graphics driver (Vulkan on Linux), or give --device cpu\n",
        ),
        (
            "vulkan",
            "error: --device vulkan: no vulkan adapter found; install the graphics driver \
             (Vulkan on Linux), or give --device cpu\n",
        ),
        (
            "gpu:0",
            "error: --device gpu:0: this machine has no adapters; `electra devices` lists the devices\n",
        ),
    ] {
        let output = electra(&["devices", "--device", request], &nothing);
        assert_eq!(output.status.code(), Some(3), "{request}");
        assert_eq!(stderr(&output), message);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn opengl_is_not_taken_unasked() {
    let output = electra(&["devices", "--json"], &[NO_VULKAN]);
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(described["auto"]["backend"], "cpu");
    for adapter in described["adapters"].as_array().unwrap() {
        assert_eq!(adapter["api"], "gl");
    }
    let output = electra(&["devices", "--device", "gpu"], &[NO_VULKAN]);
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
}

#[test]
fn wrong_use_is_exit_code_2() {
    for arguments in [
        &["devices", "--device", "cuda"][..],
        &["devices", "--quiet", "--verbose"],
        &["nothing"],
        &["completions", "tcsh"],
        &[],
    ] {
        let output = electra(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let output = electra(&["devices"], &[("ELECTRA_DEVICE", "gpu:many")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("expected auto, cpu, gpu"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = electra(&["completions", shell], &[]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = stdout(&output);
        assert!(
            script.contains("devices") && script.contains("completions"),
            "{shell}"
        );
    }
}

#[test]
fn hparams_are_listed_with_their_defaults() {
    let output = electra(&["hparams", "batch_size"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let expected = "train_batch_size = 32\n    Features per training step.\n    \
                    expected: a whole number, not negative; decides: training; from: Google's code\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("micro_batch_size = null\n"), "{text}");
    assert!(!text.contains("learning_rate"), "{text}");

    let all = electra(&["hparams", "--json"], &[]);
    let all: serde_json::Value = serde_json::from_slice(&all.stdout).unwrap();
    let keys: Vec<&str> = all["hparams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert!(keys.contains(&"lr_decay_variant"));
    assert!(keys.contains(&"model_hparam_overrides.hidden_size"));
    assert_eq!(all["presets"][0]["name"], "large-8gb");
    assert_eq!(all["presets"][0]["memory_budget"], 7_u64 << 30);

    let none = electra(&["hparams", "bacth"], &[]);
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let output = electra(&["man", pages.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), format!("pages: {}\n", pages.display()));
    let page = std::fs::read_to_string(pages.join("electra-finetune.1")).unwrap();
    assert!(page.contains("memory\\-budget"), "{page}");
    assert!(pages.join("electra-score.1").exists());
    let main = electra(&["man"], &[]);
    assert!(stdout(&main).contains(".TH electra 1"), "{}", stdout(&main));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = electra(&["man", file.join("x").to_str().unwrap()], &[]);
    assert_eq!(refused.status.code(), Some(2));
    let refused = electra(&["man", "finetune"], &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("finetune: expected an output folder")
            && stderr(&refused).contains("`electra finetune --help` describes it"),
        "{}",
        stderr(&refused)
    );
    assert!(!std::path::Path::new("finetune").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before the program can write.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

#[test]
fn every_command_s_help_shows_an_example_and_its_own_purpose() {
    fn help<A: Args>(name: &'static str) -> String {
        A::augment_args(Parser::new(name))
            .render_long_help()
            .to_string()
    }
    for (name, purpose, help) in [
        (
            "finetune",
            "Fine-tune a pre-trained model",
            help::<cli::finetune::FinetuneArgs>("finetune"),
        ),
        (
            "evaluate",
            "Evaluate a fine-tuned model",
            help::<cli::evaluate::EvaluateArgs>("evaluate"),
        ),
        (
            "score",
            "Score answers",
            help::<cli::score::ScoreArgs>("score"),
        ),
        (
            "runs",
            "List the runs below a folder",
            help::<cli::runs::RunsArgs>("runs"),
        ),
        (
            "compare",
            "Compare runs",
            help::<cli::compare::CompareArgs>("compare"),
        ),
        (
            "features",
            "Write the features",
            help::<cli::features::FeaturesArgs>("features"),
        ),
        ("data", "Prepare data", help::<cli::data::DataArgs>("data")),
        (
            "predict",
            "Predict the answers, labels or tags",
            help::<cli::predict::PredictArgs>("predict"),
        ),
        (
            "ask",
            "Answer questions on one passage",
            help::<cli::ask::AskArgs>("ask"),
        ),
        (
            "calibrate",
            "Choose a model's no-answer threshold",
            help::<cli::calibrate::CalibrateArgs>("calibrate"),
        ),
        (
            "serve",
            "Serve a fine-tuned model",
            help::<cli::serve::ServeArgs>("serve"),
        ),
        (
            "quickstart",
            "Convert, train",
            help::<cli::quickstart::QuickstartArgs>("quickstart"),
        ),
        (
            "devices",
            "List the graphics adapters",
            help::<cli::devices::DevicesArgs>("devices"),
        ),
        (
            "completions",
            "Print a completion script",
            help::<cli::completions::CompletionsArgs>("completions"),
        ),
        (
            "hparams",
            "List the hyper-parameters",
            help::<cli::hparams::HparamsArgs>("hparams"),
        ),
        (
            "man",
            "Print the manual page",
            help::<cli::man::ManArgs>("man"),
        ),
        (
            "convert",
            "Convert a TensorFlow or Hugging Face checkpoint",
            help::<cli::convert::ConvertArgs>("convert"),
        ),
        (
            "inspect",
            "Show what a checkpoint or a record holds",
            help::<cli::convert::InspectArgs>("inspect"),
        ),
        (
            "verify",
            "Compare a converted record",
            help::<cli::convert::VerifyArgs>("verify"),
        ),
        (
            "export",
            "Write a model for Hugging Face's transformers",
            help::<cli::convert::ExportArgs>("export"),
        ),
    ] {
        assert!(help.starts_with(purpose), "{help}");
        let mut headings = ["Example", "Examples"].iter();
        assert!(
            headings.any(|heading| help.contains(&format!("\n{heading}:\n  electra {name}"))),
            "{help}"
        );
    }
}

#[test]
fn every_help_fits_a_terminal_of_80_columns() {
    fn check(name: &str, help: &str) {
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name} --help: {line}");
        }
    }
    fn look_at(command: &mut Parser, name: &str) -> usize {
        check(name, &command.render_help().to_string());
        check(name, &command.render_long_help().to_string());
        let below = command.get_subcommands_mut().map(|command| {
            let name = format!("{name} {}", command.get_name());
            look_at(command, &name)
        });
        1 + below.sum::<usize>()
    }
    let mut all = cli::Cli::command().term_width(80);
    all.build();
    assert!(look_at(&mut all, "electra") >= 28);
    // As the program itself prints it.
    for arguments in [&["--help"][..], &["report", "-h"], &["features", "--help"]] {
        let output = electra(arguments, &[("COLUMNS", "80")]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        check(&arguments.join(" "), &stdout(&output));
    }
}

#[test]
fn commands_take_the_flags_that_others_rely_on() {
    fn parse<A: Args>(arguments: &[&str]) -> A {
        let matches = A::augment_args(Parser::new("c"))
            .try_get_matches_from([&["c"], arguments].concat())
            .unwrap_or_else(|error| panic!("{error}"));
        A::from_arg_matches(&matches).unwrap()
    }
    let run = [
        "--data-dir",
        "d",
        "--model-name",
        "m",
        "--hparams",
        "{}",
        "--set",
        "seed=2",
    ];

    let args: cli::finetune::FinetuneArgs =
        parse(&[&run[..], &["--device", "cpu", "--restart"]].concat());
    assert!(args.restart);
    assert_eq!(args.run.given.sets, ["seed=2"]);
    let args: cli::evaluate::EvaluateArgs = parse(&[&run[..], &["--checkpoint", "c"]].concat());
    assert_eq!(args.checkpoint, Some("c".into()));
    let args: cli::features::FeaturesArgs =
        parse(&[&run[..], &["--split", "dev", "--output", "f.jsonl"]].concat());
    assert_eq!(
        (args.split.as_str(), args.output),
        ("dev", "f.jsonl".into())
    );
    let args: cli::score::ScoreArgs = parse(&[
        "--data",
        "d",
        "--predictions",
        "p",
        "--null-odds",
        "n",
        "--threshold",
        "-2.75",
        "--metric",
        "mrqa",
        "--plots",
        "x",
    ]);
    assert_eq!(
        (args.threshold, args.metric),
        (Some(-2.75), Some(Metric::Mrqa))
    );
    let args: cli::score::ScoreArgs = parse(&["--data", "d", "--predictions", "p"]);
    assert_eq!((args.threshold, args.metric), (None, None));
    let args: cli::predict::PredictArgs = parse(&[
        "--checkpoint",
        "c",
        "--data",
        "d",
        "--output",
        "o",
        "--memory-budget",
        "1GiB",
    ]);
    assert_eq!(args.compute.memory_budget.map(|size| size.0), Some(1 << 30));
    let args: cli::ask::AskArgs = parse(&[
        "--checkpoint",
        "c",
        "--question",
        "-?",
        "--passage",
        "- a",
        "--precision",
        "f16",
    ]);
    assert_eq!(
        (args.questions, args.passage.as_deref()),
        (vec!["-?".to_owned()], Some("- a"))
    );
}

#[test]
fn a_server_is_for_this_machine_alone_unless_told() {
    let parse = |arguments: &[&str]| {
        let command = cli::serve::ServeArgs::augment_args(Parser::new("c"));
        let matches = command.get_matches_from([&["c", "--checkpoint", "m"], arguments].concat());
        cli::serve::ServeArgs::from_arg_matches(&matches).unwrap()
    };
    let args = parse(&[]);
    assert_eq!((args.host.as_str(), args.port), ("127.0.0.1", 8000));
    assert_eq!((args.timeout, args.queue), (30, 512));
    let args = parse(&[
        "--host",
        "::1",
        "--port",
        "0",
        "--timeout",
        "5",
        "--queue",
        "9",
    ]);
    assert_eq!((args.host.as_str(), args.port), ("::1", 0));
    assert_eq!((args.timeout, args.queue), (5, 9));
}

#[test]
fn report_writes_a_page_and_prints_the_analysis() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("new").join("report.html");
    let log = folder.path().join("train_log.jsonl");
    let golden = |name: &str| {
        format!(
            "{}/tests/golden/analysis/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    };
    let (data, predictions) = (golden("dialogue.json"), golden("dialogue.preds.json"));
    let odds = golden("dialogue.null_odds.json");
    let arguments = [
        "report",
        "--data",
        &data,
        "--predictions",
        &predictions,
        "--null-odds",
        &odds,
        "--train-log",
        log.to_str().unwrap(),
        "--output",
        page.to_str().unwrap(),
    ];
    let missing = electra(&arguments, &[]);
    assert_eq!(missing.status.code(), Some(2));
    let message = stderr(&missing);
    assert!(
        message.contains("train_log.jsonl: the training log cannot be read"),
        "{message}"
    );
    assert!(!page.exists());

    let line = r#"{"step":0,"loss":8.0,"grad_norm":1.5,"learning_rate":0.1,"features":4,"tokens":80,"seconds":0.5,"peak_bytes":null}"#;
    std::fs::write(&log, format!("{line}\n")).unwrap();
    let output = electra(&arguments, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("d too short                      3\n"),
        "{text}"
    );
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("id=\"training\"") && html.contains("By yes/no flag"));

    let best = ["--json", "--threshold", "best"];
    let output = electra(&[&arguments[..], &best].concat(), &[]);
    let analysis: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(analysis["threshold"], 1.5);
    assert_eq!(analysis["classes"][3]["count"], 3);
}

#[test]
fn checkpoints_are_converted_inspected_verified_and_exported() {
    let zip = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/models/electra_tiny.zip"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (record, out) = (path("deep/record"), path("hf"));
    let done = electra(&["convert", zip, &record], &[]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(stdout(&done).starts_with("69 of 145 variables used"));
    let done = electra(&["verify", zip, &record, "--json"], &[]);
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&found["checked"], &found["equal"]),
        (&145.into(), &69.into())
    );

    for input in [zip, &record] {
        let done = electra(&["inspect", input], &[]);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let text = stdout(&done);
        assert!(text.contains("encoder complete: 69 "), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
    for every in [&["--all"][..], &["-v"]] {
        let done = electra(&[&["inspect", zip], every].concat(), &[]);
        assert_eq!(stdout(&done).lines().count(), 1 + 145 + 1);
    }
    let done = electra(&["export", "--format", "hf", &record, &out], &[]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(stdout(&done).starts_with("69 tensors written"));
    let done = electra(&["-q", "inspect", &out, "--json"], &[]);
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(found["source"]["kind"], "hugging-face");
    let done = electra(&["convert", &path("absent"), &record], &[]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        stderr(&done).contains("absent: nothing there"),
        "{}",
        stderr(&done)
    );
}
