//! Tests `electra ask` and `electra predict` with models other than question answering: their
//! replies match the evaluation, and unsuitable input is rejected with advice.
#![cfg(unix)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::support::{golden, shared, tiny_vocabulary};

/// Tolerance between logits of a text alone and in a batch, in f32 on the CPU.
const SAME: f64 = 1e-4;
/// Tolerance against the reference's logits.
const REFERENCE: f64 = 2e-4;

/// Trains a model of three tasks, rte first, and returns its folder with evaluation and data.
fn trained() -> &'static Path {
    static TRAINED: OnceLock<tempfile::TempDir> = OnceLock::new();
    TRAINED
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let zip = golden("models/electra_tiny_projected.zip");
            let model = folder.path().join("models/m");
            checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
            for (task, from, files) in [
                ("rte", "glue/rte", ["train.tsv", "dev.tsv", "test.tsv"]),
                ("sts", "glue/sts", ["train.tsv", "dev.tsv", "test.tsv"]),
                ("chunk", "chunk/data", ["train.txt", "dev.txt", "test.txt"]),
            ] {
                let data = folder.path().join("finetuning_data").join(task);
                fs::create_dir_all(&data).unwrap();
                for file in files {
                    fs::copy(golden(from).join(file), data.join(file)).unwrap();
                }
            }
            let hparams = json!({
                "task_names": ["rte", "sts", "chunk"], "train_batch_size": 8,
                "max_seq_length": 64, "num_train_epochs": 1,
            });
            let output = Command::new(env!("CARGO_BIN_EXE_electra"))
                .args([
                    "finetune",
                    "--device",
                    "cpu",
                    "--quiet",
                    "--model-name",
                    "m",
                ])
                .args(["--hparams", &hparams.to_string(), "--data-dir"])
                .arg(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            folder
        })
        .path()
}

fn model() -> PathBuf {
    trained().join("models/m/finetuning_models/rte,sts,chunk_model_1")
}

fn data(task: &str, file: &str) -> PathBuf {
    trained().join("finetuning_data").join(task).join(file)
}

fn evaluated(task: &str) -> Vec<Value> {
    let folder = trained().join("models/m/results/rte,sts,chunk_predictions");
    lines(&folder.join(format!("{task}_dev.jsonl")))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The standard output, standard error and exit code of a command.
struct Ran {
    printed: String,
    said: String,
    code: Option<i32>,
}

fn run_with(command: &str, checkpoint: &Path, flags: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args([command, "--device", "cpu", "--checkpoint"])
        .arg(checkpoint)
        .args(flags)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that fails immediately may have ended before anything is written to it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        printed: text(output.stdout),
        said: text(output.stderr),
        code: output.status.code(),
    }
}

fn ask(flags: &[&str]) -> Ran {
    run_with("ask", &model(), flags, b"")
}

/// Returns the replies of a command that succeeds.
#[track_caller]
fn replies(checkpoint: &Path, flags: &[&str], input: &[u8]) -> Vec<Value> {
    let ran = run_with("ask", checkpoint, &[flags, &["--json"]].concat(), input);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let lines = ran.printed.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns what predict writes for a file.
#[track_caller]
fn predicted(
    checkpoint: &Path,
    data: &Path,
    flags: &[&str],
) -> (tempfile::TempDir, Vec<Value>, Ran) {
    let out = tempfile::tempdir().unwrap();
    let paths = [
        "--data",
        data.to_str().unwrap(),
        "--output",
        out.path().to_str().unwrap(),
    ];
    let ran = run_with("predict", checkpoint, &[&paths, flags].concat(), b"");
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let written = lines(&out.path().join("predictions.jsonl"));
    (out, written, ran)
}

/// Returns the largest difference between numbers in the same positions.
#[track_caller]
fn difference(one: &Value, other: &Value) -> f64 {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len());
            let pairs = one.iter().zip(other);
            pairs.map(|(a, b)| difference(a, b)).fold(0.0, f64::max)
        }
        _ => (one.as_f64().unwrap() - other.as_f64().unwrap()).abs(),
    }
}

/// Returns the cells of complete rows of a GLUE file.
fn rows(path: &Path, columns: usize) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let rows = text
        .split('\n')
        .skip(1)
        .map(|line| line.trim_end_matches('\r'));
    let cells = rows.map(|row| row.split('\t').map(str::to_owned).collect::<Vec<_>>());
    cells.filter(|row| row.len() >= columns).collect()
}

#[test]
fn a_pair_gets_the_class_that_the_evaluation_gave_it() {
    let rows = rows(&data("rte", "dev.tsv"), 4);
    let evaluated = evaluated("rte");
    assert_eq!((rows.len(), evaluated.len()), (24, 24));
    let names = ["entailment", "not_entailment"];
    // One pair per line; the first task answers.
    let pairs: Vec<String> = rows
        .iter()
        .map(|row| format!("{}\t{}\n", row[1], row[2]))
        .collect();
    let said = replies(&model(), &["--text", "-"], pairs.concat().as_bytes());
    assert_eq!(said.len(), 24);
    for (reply, expected) in said.iter().zip(&evaluated) {
        let gap = difference(&reply["logits"], &expected["logits"]);
        assert!(gap <= SAME, "{gap}: {reply}");
        let class = expected["prediction"].as_u64().unwrap() as usize;
        assert_eq!(reply["label"], names[class]);
        let logits: Vec<f64> = [0, 1]
            .map(|at| reply["logits"][at].as_f64().unwrap())
            .into();
        let share = 1.0 / (1.0 + (logits[1 - class] - logits[class]).exp());
        assert!((reply["probability"].as_f64().unwrap() - share).abs() < 1e-6);
        assert_eq!(reply["labels"][0]["label"], names[class]);
        assert_eq!(reply["labels"].as_array().unwrap().len(), 2);
    }
    let flags = ["--text", &rows[0][1], "--text-b", &rows[0][2]];
    let one = replies(&model(), &flags, b"");
    assert!(difference(&one[0]["logits"], &said[0]["logits"]) <= SAME);
    let shown = ask(&flags).printed;
    let share = 100.0 * said[0]["probability"].as_f64().unwrap();
    let label = said[0]["label"].as_str().unwrap();
    let first = format!("{label}\n\n  {share:5.1}%  {label}\n");
    assert!(shown.starts_with(&first), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn a_pair_gets_the_value_that_the_evaluation_gave_it() {
    let path = data("sts", "dev.tsv");
    let (_out, written, ran) = predicted(&model(), &path, &["--task", "sts"]);
    let evaluated = evaluated("sts");
    assert_eq!(written.len(), evaluated.len());
    assert!(ran.said.contains("rows left out") == ran.printed.contains("rows left out"));
    for (line, expected) in written.iter().zip(&evaluated) {
        assert_eq!(
            (&line["eid"], &line["target"]),
            (&expected["eid"], &expected["target"])
        );
        assert!(difference(&line["prediction"], &expected["prediction"]) <= SAME);
        let value = 5.0 * line["prediction"].as_f64().unwrap();
        assert!((line["value"].as_f64().unwrap() - value).abs() < 1e-9);
    }
    let [a, b] = ["text", "text_b"].map(|key| written[0][key].as_str().unwrap());
    let said = replies(
        &model(),
        &["--task", "sts", "--text", a, "--text-b", b],
        b"",
    );
    assert!(difference(&said[0]["prediction"], &evaluated[0]["prediction"]) <= SAME);
    assert_eq!(said[0]["range"], json!([0.0, 5.0]));
    let shown = ask(&["--task", "sts", "--text", a, "--text-b", b]).printed;
    assert!(shown.contains(" 0 to 5)"), "{shown}");
}

#[test]
fn what_predict_writes_of_a_labelled_file_is_the_evaluation() {
    let (out, written, ran) = predicted(&model(), &data("rte", "dev.tsv"), &["--json"]);
    let task = "using task rte of rte, sts, chunk; --task NAME chooses another";
    assert!(ran.said.contains(task), "{}", ran.said);
    let told: Value = serde_json::from_str(&ran.printed).unwrap();
    assert_eq!(
        (&told["task"], &told["examples"], &told["left_out"]),
        (&json!("rte"), &json!(24), &json!(3))
    );
    for (line, expected) in written.iter().zip(&evaluated("rte")) {
        for key in ["eid", "label_id", "prediction"] {
            assert_eq!(line[key], expected[key], "{key}");
        }
        assert!(difference(&line["logits"], &expected["logits"]) <= SAME);
        assert!(difference(&line["loss"], &expected["loss"]) <= SAME);
        assert!(line["label"].is_string() && line["text_b"].is_string());
    }
    assert!(!out.path().join("RTE.tsv").exists());
    // A test file has no labels, but a submission format.
    let (out, written, _) = predicted(&model(), &data("rte", "test.tsv"), &[]);
    assert!(written.iter().all(|line| line.get("label_id").is_none()));
    let submitted = fs::read_to_string(out.path().join("RTE.tsv")).unwrap();
    assert!(submitted.starts_with("index\tprediction\n"));
    assert_eq!(submitted.lines().count(), written.len() + 1);
}

#[test]
fn tagged_sentences_get_the_tags_that_the_evaluation_gave_them() {
    let (_out, written, ran) = predicted(&model(), &data("chunk", "dev.txt"), &["--task", "chunk"]);
    let evaluated = evaluated("chunk");
    assert_eq!(written.len(), evaluated.len());
    // Reads it as the reference does, and says so.
    assert!(ran.said.contains("the last sentence"), "{}", ran.said);
    for (line, expected) in written.iter().zip(&evaluated) {
        for key in ["eid", "labels", "predictions"] {
            assert_eq!(line[key], expected[key], "{key}");
        }
        assert!(difference(&line["logits"], &expected["logits"]) <= SAME);
        let tags = line["tags"].as_array().unwrap();
        assert_eq!(tags.len(), line["predictions"].as_array().unwrap().len());
    }
    // A sentence that the reference does not cut, as a user would type it.
    let whole = written.iter().find(|line| {
        let words = line["words"].as_array().unwrap();
        let plain = |word: &Value| word.as_str().unwrap().chars().all(char::is_alphanumeric);
        line["left_out_words"] == 0 && words.iter().all(plain)
    });
    let Some(line) = whole else { return };
    let words: Vec<&str> = line["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let text = words.join(" ");
    let said = &replies(&model(), &["--text", &text, "--task", "chunk"], b"")[0];
    let tags: Vec<&Value> = said["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["tag"])
        .collect();
    assert_eq!(
        tags,
        line["tags"].as_array().unwrap().iter().collect::<Vec<_>>()
    );
    for span in said["spans"].as_array().unwrap() {
        let at = |key: &str| span[key].as_u64().unwrap() as usize;
        assert_eq!(span["text"], text[at("start_byte")..at("end_byte")]);
        let shown: String = text
            .chars()
            .skip(at("start"))
            .take(at("end") - at("start"))
            .collect();
        assert_eq!(span["text"], shown);
    }
}

#[test]
fn files_without_labels_are_answered_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for (name, text) in [
        (
            "a.csv",
            "sentence1,sentence2\nThe old man,A man\nAn oak,\"A tree, old\"\n",
        ),
        (
            "a.tsv",
            "sentence1\tsentence2\tlabel\nThe old man\tA man\t?\nAn oak\tA tree, old\tx\n",
        ),
        (
            "a.jsonl",
            "{\"sentence1\": \"The old man\", \"sentence2\": \"A man\"}\n{\"sentence1\": \"An oak\", \"sentence2\": \"A tree, old\"}\n",
        ),
        ("a.txt", "The old man\tA man\n\nAn oak\tA tree, old\n"),
    ] {
        let (_out, written, _) = predicted(&model(), &put(name, text), &[]);
        let texts: Vec<&str> = written
            .iter()
            .map(|line| line["text_b"].as_str().unwrap())
            .collect();
        assert_eq!(texts, ["A man", "A tree, old"], "{name}");
        assert!(
            written.iter().all(|line| line.get("label_id").is_none()),
            "{name}"
        );
        // A blank line is ignored.
        let eids: Vec<u64> = written
            .iter()
            .map(|line| line["eid"].as_u64().unwrap())
            .collect();
        assert_eq!(eids, [0, 1], "{name}");
    }
    let conll = "The\nold\nman\n\nAn\noak\n";
    let tokens = "{\"tokens\": [\"The\", \"old\", \"man\"]}\n{\"tokens\": [\"An\", \"oak\"]}\n";
    for (name, text) in [
        ("w.txt", conll),
        ("w.conll", conll),
        ("w.jsonl", tokens),
        ("plain.txt", "The old man\n\nAn oak\n"),
    ] {
        let (_out, written, _) = predicted(&model(), &put(name, text), &["--task", "chunk"]);
        let words: Vec<usize> = written
            .iter()
            .map(|line| line["tags"].as_array().unwrap().len())
            .collect();
        assert_eq!(words, [3, 2], "{name}");
        assert_eq!(
            (&written[1]["eid"], &written[1]["parts"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(written[0]["words"], json!(["The", "old", "man"]));
        assert!(written[0].get("labels").is_none(), "{name}");
        assert_eq!(written[0].get("text").is_some(), name == "plain.txt");
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_to_give() {
    for (flags, parts) in [
        (
            &["--task", "rte", "--question", "Who?", "--passage", "Ada."][..],
            &[
                "takes a question and a passage",
                "rte (two texts)",
                "give --text A --text-b B",
            ][..],
        ),
        (
            &["--question", "Who?", "--passage", "Ada."],
            &[
                "rte (two texts), sts (two texts), chunk (one text)",
                "--text-b",
            ],
        ),
        (
            &["--task", "rte", "--text", "An oak"],
            &["takes one text", "--text-b B"],
        ),
        (
            &["--task", "chunk", "--text", "An oak", "--text-b", "A tree"],
            &["takes two texts", "chunk (one text)", "give --text TEXT"],
        ),
        (
            &["--task", "squad", "--text", "a"],
            &["not on squad", "rte, sts, chunk"],
        ),
        (&["--text", " "], &["expected text, found none"]),
        (&["--text-b", "b"], &["--text"]),
        (
            &["--text", "a", "--question", "b"],
            &["cannot be used with"],
        ),
        (
            &["--text", "a", "--text", "b", "--text-b", "c"],
            &["one --text", "tab"],
        ),
        (
            &["--task", "chunk", "--text-file", "none.txt"],
            &["none.txt: the text cannot be read"],
        ),
        (
            &[
                "--task",
                "sts",
                "--threshold",
                "1",
                "--text",
                "a",
                "--text-b",
                "b",
            ],
            &["--threshold", "sts"],
        ),
    ] {
        let ran = ask(flags);
        assert_eq!(ran.code, Some(2), "{flags:?}: {}", ran.said);
        for part in parts {
            assert!(ran.said.contains(part), "{part:?} is not in {}", ran.said);
        }
    }
    // Lines that are not pairs, and no lines at all.
    for (input, part) in [
        ("An oak\n", "a tab between"),
        ("", "no text"),
        ("\u{0}", ""),
    ] {
        let ran = run_with(
            "ask",
            &model(),
            &["--task", "rte", "--text", "-"],
            input.as_bytes(),
        );
        assert_eq!(ran.code, Some(2), "{input:?}: {}", ran.said);
        assert!(ran.said.contains(part), "{}", ran.said);
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for (name, text, task, parts) in [
        (
            "x.tsv",
            "a\tb\nc\td\n",
            "rte",
            &["x.tsv", "dev.tsv", "sentence1"][..],
        ),
        ("y.txt", "An oak\n", "rte", &["y.txt: line 1", "two texts"]),
        (
            "t.txt",
            "An oak\tA tree\n\nAn oak\tA tree\tA wood\n",
            "rte",
            &["t.txt: line 3", "two texts", "found 3"],
        ),
        (
            "w.csv",
            "text\nAn old oak\n",
            "chunk",
            &["w.csv", "by its ending .csv", ".txt file"],
        ),
        (
            "w.tsv",
            "text\nAn old oak\n",
            "chunk",
            &["w.tsv", "by its ending .tsv", ".txt file"],
        ),
        (
            "z.csv",
            "text\nAn oak\n",
            "rte",
            &["z.csv", "two texts a row", "sentence1"],
        ),
        ("e.txt", "\n \n", "chunk", &["e.txt", "found none"]),
        ("n.txt", "a\0b\n", "chunk", &["n.txt", "NUL"]),
        (
            "n.csv",
            "sentence1,sentence2\na\0,b\n",
            "rte",
            &["n.csv", "NUL"],
        ),
        (
            "c.csv",
            "body\nAn oak\n",
            "rte",
            &[
                "c.csv",
                "or columns of the usual names",
                "call the file's columns text",
            ],
        ),
        ("r.tsv.xyz", "", "rte", &["r.tsv.xyz", ".csv"]),
    ] {
        let path = write(name, text);
        let out = folder.path().join("out");
        let flags = [
            "--data",
            path.to_str().unwrap(),
            "--output",
            out.to_str().unwrap(),
            "--task",
            task,
        ];
        let ran = run_with("predict", &model(), &flags, b"");
        assert_eq!(ran.code, Some(2), "{name}: {}", ran.said);
        for part in parts {
            assert!(ran.said.contains(part), "{part:?} is not in {}", ran.said);
        }
        assert!(!out.join("predictions.jsonl").exists());
    }
}

#[test]
fn hostile_texts_are_answered_or_refused() {
    let long = "An old oak. ".repeat(1 << 17);
    let odd = "e\u{301}\u{200d}👩‍👩‍👧 \u{202e}x \u{feff}東京\u{200b}\n\u{1b}[2J";
    let said = |text: &str, task: &str, more: &str| {
        let input = format!("{}{more}", text.replace('\n', " "));
        let flags = ["--task", task, "--text", "-"];
        replies(&model(), &flags, input.as_bytes())
    };
    let cut = &said(&long[..1 << 20], "rte", "\tA tree.")[0];
    assert!(cut["cut_tokens"].as_u64().unwrap() > 200_000, "{cut}");
    let odd_pair = &said(odd, "rte", "\t\u{200b}x")[0];
    assert!(odd_pair["probability"].as_f64().unwrap() >= 0.5);
    // Every word of a long text is kept, with its correct position.
    let file = tempfile::NamedTempFile::with_suffix(".txt").unwrap();
    for text in [odd, &long[..10_000], "\u{200b}", "a\0b"] {
        fs::write(file.path(), text).unwrap();
        let flags = [
            "--task",
            "chunk",
            "--text-file",
            file.path().to_str().unwrap(),
        ];
        let said = &replies(&model(), &flags, b"")[0];
        let words = said["words"].as_array().unwrap();
        assert!(!words.is_empty());
        // The model reads 64 tokens at once.
        let parts = said["parts"].as_u64().unwrap();
        assert_eq!(parts > 1, words.len() > 62, "{parts} of {}", words.len());
        for word in words {
            let at = |key: &str| word[key].as_u64().unwrap() as usize;
            assert_eq!(word["text"], text[at("start_byte")..at("end_byte")]);
            let count = text[..at("start_byte")].chars().count();
            assert_eq!(at("start"), count);
        }
    }
    let shown = ask(&["--task", "chunk", "--text", odd]);
    assert_eq!(shown.code, Some(0), "{}", shown.said);
    assert!(!shown.printed.contains('\u{1b}'), "{:?}", shown.printed);
}

/// Converts a checkpoint of the reference to a fine-tuned model.
fn of_reference(checkpoint: &Path, task: &str, max_seq_length: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    checkpoints_convert::convert(
        &checkpoint.join("model.ckpt"),
        folder.path(),
        &mut |_, _| {},
    )
    .unwrap();
    fs::copy(tiny_vocabulary(), folder.path().join("vocab.txt")).unwrap();
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["task_names"] = json!([task]);
    config["model_name"] = json!(task);
    config["max_seq_length"] = json!(max_seq_length);
    fs::write(path, config.to_string()).unwrap();
    folder
}

#[test]
fn learned_models_of_the_reference_say_what_it_recorded() {
    let Some(reference) = shared("reference/glue") else {
        return;
    };
    for task in ["cola", "mrpc", "mnli", "sst", "rte", "qnli", "qqp", "sts"] {
        let weights = if task == "sts" { "trained" } else { "learned" };
        let folder = reference.join(task);
        let model = of_reference(&folder.join(weights), task, 64);
        let dev = if task == "mnli" {
            "dev_matched.tsv"
        } else {
            "dev.tsv"
        };
        let (_out, written, _) = predicted(model.path(), &folder.join("data").join(dev), &[]);
        let expected = lines(&folder.join(format!("eval/predictions.dev.{weights}.jsonl")));
        assert_eq!(written.len(), expected.len(), "{task}");
        let numbers = if task == "sts" {
            "prediction"
        } else {
            "logits"
        };
        for (line, expected) in written.iter().zip(&expected) {
            let gap = difference(&line[numbers], &expected[numbers]);
            assert!(gap <= REFERENCE, "{task}: {gap}");
            if task != "sts" {
                assert_eq!(line["prediction"], expected["prediction"], "{task}");
            }
        }
        let text = |key: &str| written[0][key].as_str();
        let mut flags = vec!["--text", text("text").unwrap()];
        flags.extend(
            text("text_b")
                .map(|b| ["--text-b", b])
                .into_iter()
                .flatten(),
        );
        let said = &replies(model.path(), &flags, b"")[0];
        let gap = difference(&said[numbers], &expected[0][numbers]);
        assert!(gap <= REFERENCE, "{task}: {gap}");
    }
}

#[test]
fn the_learned_chunker_of_the_reference_says_what_it_recorded() {
    let Some(reference) = shared("reference/chunk") else {
        return;
    };
    let model = of_reference(&reference.join("learned"), "chunk", 48);
    let dev = reference.join("data/dev.txt");
    let flags = ["--data", dev.to_str().unwrap(), "--output", "none"];
    // A TensorFlow checkpoint does not contain its tags.
    let refused = run_with("predict", model.path(), &flags, b"");
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    assert!(
        refused.said.contains("\"labels\": [\"B-NP\""),
        "{}",
        refused.said
    );
    let path = model.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mapping = fs::read_to_string(golden("chunk/label_mapping.json")).unwrap();
    let mapping: serde_json::Map<String, Value> = serde_json::from_str(&mapping).unwrap();
    let mut tags: Vec<(u64, &String)> = mapping
        .iter()
        .map(|(tag, id)| (id.as_u64().unwrap(), tag))
        .collect();
    tags.sort_unstable();
    let tags: Vec<&String> = tags.into_iter().map(|(_, tag)| tag).collect();
    config["heads"]["chunk"]["labels"] = json!(tags);
    fs::write(path, config.to_string()).unwrap();
    let (_out, written, _) = predicted(model.path(), &dev, &[]);
    let expected = lines(&reference.join("eval/predictions.dev.learned.jsonl"));
    assert_eq!(written.len(), expected.len());
    for (line, expected) in written.iter().zip(&expected) {
        for key in ["eid", "labels", "predictions"] {
            assert_eq!(line[key], expected[key], "{key}");
        }
        assert!(difference(&line["loss"], &expected["loss"]) <= 1e-2);
    }
}
