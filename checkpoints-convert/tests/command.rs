//! The program as a user meets it: what it prints, and the code it ends with.

mod fixture;

use std::path::Path;
use std::process::{Command, Output};

use checkpoints_convert::HeadShape;
use fixture::{config, golden, head, variables, write, write_vocabulary};
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checkpoints-convert"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn convert_then_verify_ends_with_zero_and_says_what_was_done() {
    let out = tempfile::tempdir().unwrap();
    let (input, out) = (golden("electra_tiny.zip"), out.path().join("deep/new"));
    let done = run(&["convert", text(&input), text(&out)]);
    assert_eq!(done.status.code(), Some(0));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(printed.starts_with("69 of 145 variables used, 1121280 values; 76 left out"));
    assert!(done.stderr.is_empty(), "no bar off a terminal");

    let done = run(&["verify", text(&input), text(&out)]);
    assert_eq!(done.status.code(), Some(0));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert_eq!(
        printed,
        "145 variables read with correct checksums; 69 parameters equal bit for bit (1121280 values)\n"
    );
    let done = run(&["verify", "--json", text(&input), text(&out)]);
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&json["equal"], &json["values"]),
        (&69.into(), &1_121_280.into())
    );
    assert_eq!(json["differences"].as_array().unwrap().len(), 0);
}

#[test]
fn inspect_lists_every_variable_as_a_table_or_as_json() {
    let input = golden("electra_tiny_projected.zip");
    let done = run(&["inspect", text(&input)]);
    assert_eq!(done.status.code(), Some(0));
    let printed = String::from_utf8(done.stdout).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 1 + 115 + 1);
    let row: Vec<&str> = lines[11].split_whitespace().collect();
    let expected = [
        "electra/embeddings_project/kernel",
        "64×128",
        "float32",
        "32768",
        "electra.embeddings.project.weight",
    ];
    assert_eq!(row, expected);

    let done = run(&["inspect", text(&input), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(json["totals"]["variables"], 115);
    assert_eq!(json["config"]["model"]["num_hidden_layers"], 3);
    assert_eq!(
        json["variables"][10]["parameter"],
        "electra.embeddings.project.weight"
    );
}

#[test]
fn quiet_prints_nothing_and_still_fails_aloud() {
    let out = tempfile::tempdir().unwrap();
    let input = golden("electra_tiny.zip");
    let done = run(&["-q", "convert", text(&input), text(out.path())]);
    assert_eq!(done.status.code(), Some(0));
    assert!(done.stdout.is_empty() && done.stderr.is_empty());
    let done = run(&["-q", "inspect", "absent.zip"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8(done.stderr)
            .unwrap()
            .starts_with("error: absent.zip: nothing there")
    );
}

#[test]
fn wrong_use_and_wrong_data_end_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    assert_eq!(run(&["convert"]).status.code(), Some(2));
    assert_eq!(run(&["unknown"]).status.code(), Some(2));
    let done = run(&["convert", text(folder.path()), text(&out)]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8(done.stderr)
            .unwrap()
            .contains("no *.index file")
    );
    let done = run(&["verify", text(&golden("electra_tiny.zip")), text(&out)]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8(done.stderr)
            .unwrap()
            .contains("model.bpk")
    );
}

#[test]
fn a_record_that_differs_ends_with_two_and_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("source"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    let mut made = variables(&config(&[]));
    write(&source, "m", 1, &made);
    assert_eq!(
        run(&["convert", text(&source), text(&out)]).status.code(),
        Some(0)
    );
    made[0].bytes[0] ^= 1;
    write(&source, "m", 1, &made);
    let done = run(&["verify", text(&source), text(&out)]);
    assert_eq!(done.status.code(), Some(2));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(
        printed.contains("electra.embeddings.layer_norm.beta differs in 1 value"),
        "{printed}"
    );
}

#[test]
fn a_checkpoint_of_another_model_is_shown_and_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = variables(&config(&[]));
    made.remove(0);
    write(folder.path(), "m", 1, &made);
    let done = run(&["inspect", text(folder.path())]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8(done.stdout)
            .unwrap()
            .contains("electra/embeddings/word_embeddings")
    );
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(
        error.contains("\"electra/embeddings/LayerNorm/beta\" is missing"),
        "{error}"
    );
}

#[test]
fn every_command_s_help_has_an_example() {
    for (command, arguments) in [
        ("convert", "electra_large.zip"),
        ("inspect", "electra_large.zip"),
        ("verify", "electra_large.zip"),
        ("export", "--format hf models/electra_large"),
    ] {
        let done = run(&[command, "--help"]);
        assert_eq!(done.status.code(), Some(0));
        let printed = String::from_utf8(done.stdout).unwrap();
        let example = format!("Example:\n  checkpoints-convert {command} {arguments}");
        assert!(printed.contains(&example), "{printed}");
    }
}

#[test]
fn an_export_says_what_was_written_and_what_was_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("source")).unwrap();
    let config = config(&[("squad", head(true, false, false, 512))]);
    write(&path("source"), "m", 1, &variables(&config));
    write_vocabulary(&path("source"));
    let done = run(&["convert", text(&path("source")), text(&path("record"))]);
    assert_eq!(done.status.code(), Some(0));
    let export = |format: &str, out: &str| {
        let (record, out) = (path("record"), path(out));
        run(&["export", "--format", format, text(&record), text(&out)])
    };
    let done = export("hf", "hf");
    assert_eq!(done.status.code(), Some(0));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(
        printed.starts_with("23 tensors written, 6 parameters left out\nleft out: heads.squad.end.bias (head of a task"),
        "{printed}"
    );
    let done = run(&["convert", text(&path("hf")), text(&path("again"))]);
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(
        printed.starts_with("23 of 23 variables used, 19424 values; 0 left out\nwritten to"),
        "{printed}"
    );
    let done = run(&["verify", text(&path("hf")), text(&path("again"))]);
    let printed = String::from_utf8(done.stdout).unwrap();
    assert_eq!(printed, "23 parameters equal bit for bit (19424 values)\n");
    let done = export("tf", "hf");
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8(done.stderr)
            .unwrap()
            .contains("not empty")
    );
    assert_eq!(export("onnx", "x").status.code(), Some(2));
}

#[test]
fn a_pre_trained_model_is_exported_network_by_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (input, record) = (golden("electra_tiny.zip"), path("record"));
    let done = run(&["convert", "--with-generator", text(&input), text(&record)]);
    assert_eq!(done.status.code(), Some(0));
    let export = |options: &[&str], out: &str| {
        let out = path(out);
        let places = [text(&record), text(&out)];
        run(&[&["export"], options, &places].concat())
    };
    for (options, out, expected) in [
        (
            &["--format", "hf"][..],
            "discriminator",
            "73 tensors written, 71 parameters left out\n\
             left out: 71 parameters (the generator's: --network generator exports it)\n\
             written to ",
        ),
        (
            &["--format", "hf", "--network", "generator"],
            "generator",
            "76 tensors written, 68 parameters left out\n\
             left out: 68 parameters (the discriminator's: --network discriminator exports it)\n\
             written to ",
        ),
        (
            &["--format", "tf"],
            "tf",
            "144 tensors written, 1 parameter left out\n\
             left out: adam_m, adam_v, global_step (optimiser state: only a checkpoint-N folder",
        ),
    ] {
        let done = export(options, out);
        assert_eq!(done.status.code(), Some(0));
        let printed = String::from_utf8(done.stdout).unwrap();
        assert!(printed.starts_with(expected), "{printed}");
    }
    let report = std::fs::read(path("generator").join("export.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["network"], "generator");
    assert_eq!(report["left_out"].as_array().unwrap().len(), 68);

    for (options, expected) in [
        (
            &["--format", "tf", "--network", "generator"][..],
            "error: --network is for --format hf",
        ),
        (
            &[
                "--format",
                "hf",
                "--network",
                "generator",
                "--task",
                "squad",
            ],
            "cannot be used with '--task",
        ),
    ] {
        let done = export(options, "new");
        assert_eq!(done.status.code(), Some(2));
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_export_to_tensorflow_says_which_labels_and_ranges_it_loses_and_where_to_take_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("source")).unwrap();
    let config = config(&[
        ("films", HeadShape::dense(1)),
        ("rte", HeadShape::dense(2)),
        ("plain", HeadShape::dense(1)),
    ]);
    write(&path("source"), "m", 1, &variables(&config));
    write_vocabulary(&path("source"));
    let done = run(&["convert", text(&path("source")), text(&path("record"))]);
    assert_eq!(done.status.code(), Some(0));
    // A fine-tuned record says what no TensorFlow variable tells.
    let read = |record: &str| -> Value {
        let text = std::fs::read(path(record).join("config.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let mut told = read("record");
    told["heads"]["films"] = json!({"outputs": 1, "kind": "regression", "range": [0.5, 4.0]});
    told["heads"]["rte"] = json!({"outputs": 2, "labels": ["yes", "no"], "kind": "classification"});
    std::fs::write(path("record").join("config.json"), told.to_string()).unwrap();
    let (record, tf) = (path("record"), path("tf"));
    let done = run(&["export", "--format", "tf", text(&record), text(&tf)]);
    assert_eq!(done.status.code(), Some(0));
    let said = String::from_utf8(done.stderr).unwrap();
    for part in [
        "config.json: the range of head \"films\", 0.5 to 4, is not written",
        "copy \"films\" of \"heads\" from this config.json",
        "config.json: the labels of head \"rte\" are not written",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("plain"), "{said}");

    // The advice brings back what was there.
    let done = run(&["convert", text(&tf), text(&path("back"))]);
    assert_eq!(done.status.code(), Some(0));
    let mut back = read("back");
    assert_eq!(back["heads"]["films"], json!({"outputs": 1}));
    back["heads"]["films"] = told["heads"]["films"].clone();
    back["heads"]["rte"] = told["heads"]["rte"].clone();
    assert_eq!(back["heads"], told["heads"]);
    std::fs::write(path("back").join("config.json"), back.to_string()).unwrap();
    let again = path("again");
    let done = run(&[
        "export",
        "--format",
        "tf",
        text(&path("back")),
        text(&again),
    ]);
    assert_eq!(done.status.code(), Some(0));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("0.5 to 4, is not written"), "{said}");
}
