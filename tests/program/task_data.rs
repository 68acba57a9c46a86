//! Tests `electra data check`, `data classification` and `data tagging` on users' own files, with
//! the real program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::{golden, small_run::SmallRun};

fn electra(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(arguments)
        .env("ELECTRA_DEVICE", "cpu")
        .output()
        .unwrap()
}

/// Returns a command's output and exit code.
fn told(arguments: &[&str]) -> (Option<i32>, String) {
    let output = electra(arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), format!("{stdout}{stderr}"))
}

/// Returns the findings of `electra data check` as JSON, and its exit code.
fn checked(path: &Path, flags: &[&str]) -> (Option<i32>, Value) {
    let path = path.to_str().unwrap();
    let output = electra(&[&["data", "check", path, "--json"], flags].concat());
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), found)
}

/// Formats the problems as "kind file place".
fn problems(found: &Value) -> Vec<String> {
    let problems = found["problems"].as_array().unwrap().iter();
    problems
        .map(|problem| {
            let text = |key: &str| problem[key].as_str().unwrap();
            let file = Path::new(text("file")).file_name().unwrap();
            let (kind, place) = (text("kind"), text("place"));
            format!("{kind} {} {place}", file.to_str().unwrap())
        })
        .collect()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn a_folder_with_a_description_is_checked_as_a_whole() {
    let folder = folder(&[
        (
            "films/task.json",
            r#"{"kind": "classification", "text": "review", "label": "stars", "id": "n"}"#,
        ),
        (
            "films/train.csv",
            "n,review,stars\n1,a splendid film,good\n2,a dreadful film,bad\n2,a splendid film,bad\n\
             3,a dreadful film,bad\n4,,good\n5,a long film,\n",
        ),
        (
            "films/dev.csv",
            "n,review,stars\n1,a splendid film,good\n2,another film,fair\n",
        ),
        (
            "films/test.csv",
            "n,review\n1,a splendid film\n2,\u{5C0F}\n",
        ),
    ]);
    let films = folder.path().join("films");
    let (code, found) = checked(&films, &["--max-seq-length", "6"]);
    assert_eq!(code, Some(2), "{found}");
    assert_eq!(
        problems(&found),
        [
            "no_label train.csv line 7",
            "unknown_label dev.csv line 3",
            "empty_text train.csv line 6",
            "contradiction train.csv line 4",
            "repeated train.csv line 5",
            "repeated_id train.csv line 4",
            "also_in_train dev.csv line 2",
            "also_in_train test.csv line 2",
        ]
    );
    assert_eq!(
        (&found["errors"], &found["warnings"]),
        (&json!(2), &json!(6))
    );
    assert_eq!(
        (&found["task"], &found["kind"]),
        (&json!("films"), &json!("classification"))
    );
    let train = &found["files"][0];
    assert_eq!((&train["rows"], &train["left_out"]), (&json!(6), &json!(0)));
    assert_eq!(train["labels"], json!({"bad": 3, "good": 2}));
    // [CLS] a dreadful film [SEP]; "dreadful" is in the vocabulary.
    let spread = json!({"median": 3, "p95": 3, "max": 3});
    assert_eq!(train["text_tokens"], spread, "{train}");
    assert_eq!(train["example_tokens"]["max"], 5);
    assert_eq!(train["cut"], 0);
    let test = &found["files"][2];
    assert_eq!(
        (&test["labelled"], &test["labels"]),
        (&json!(false), &json!({}))
    );

    let (code, text) = told(&["data", "check", films.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{text}");
    for part in [
        "films: classification",
        "text from column \"review\", label from column \"stars\", id from column \"n\"",
        "  good                                 2 of 6 (33.33 %)",
        "with max_seq_length 128 and 30522 word pieces: 2 errors, 6 warnings",
        "warning contradiction (1): the same text has a different label earlier",
        "  train.csv: line 4: \"bad\", \"good\" on line 2",
        "error unknown_label (1): the task has no such label: a run ends here",
        "errors: 2; correct them, or a run ends at the first",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let own = |line: &&str| !line.contains(films.to_str().unwrap());
    for line in text.lines().filter(own) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn files_are_known_by_their_contents_and_their_places() {
    let folder = folder(&[
        ("films.csv", "text,label\na film,good\nthe film,bad\n"),
        (
            "scores.jsonl",
            "{\"text\": \"a\", \"label\": 1.5}\n{\"text\": \"b\", \"label\": 2}\n",
        ),
        (
            "names.conll",
            "Ada NNP B-PER\nwrote VBD O\n\nin IN O\nKent NNP I-LOC\n",
        ),
        ("rte/dev.tsv", "index\ta\tb\tl\n0\tx\ty\tentailment\n"),
        ("other.tsv", "x\t1\t\tan oak\nx\t2\t\tan elm\n"),
        (
            "own.json",
            r#"{"kind": "classification", "text": 0, "label": 1, "header": false}"#,
        ),
        ("headless.csv", "an oak,yes\nan elm,no\n"),
        ("one.csv", "text,label\na film,good\nthe film,good\n"),
    ]);
    let check = |name: &str, flags: &[&str]| checked(&folder.path().join(name), flags);
    for (name, flags, code, kind, rows) in [
        ("films.csv", &[][..], 0, "classification", 2),
        ("scores.jsonl", &[], 0, "regression", 2),
        ("rte/dev.tsv", &[], 0, "classification", 1),
        ("other.tsv", &["--task", "cola"], 2, "classification", 2),
        (
            "headless.csv",
            &["--description", "own.json"],
            0,
            "classification",
            2,
        ),
        ("one.csv", &[], 2, "classification", 2),
        ("one.csv", &["--split", "dev"], 0, "classification", 2),
    ] {
        let own = folder.path().join("own.json");
        let flags: Vec<&str> = flags
            .iter()
            .map(|flag| {
                if *flag == "own.json" {
                    own.to_str().unwrap()
                } else {
                    flag
                }
            })
            .collect();
        let (ended, found) = check(name, &flags);
        assert_eq!(ended, Some(code), "{name}: {found}");
        assert_eq!(
            (&found["kind"], &found["files"][0]["rows"]),
            (&json!(kind), &json!(rows))
        );
    }
    let (code, found) = check("names.conll", &[]);
    assert_eq!((code, &found["kind"]), (Some(0), &json!("tagging")));
    assert_eq!(problems(&found), ["ill_formed names.conll line 5"]);
    let file = &found["files"][0];
    assert_eq!(file["spans"], json!({"LOC": 1, "PER": 1}));
    assert_eq!(
        (&file["words"], &file["scheme"]),
        (&json!(4), &json!("IOB2"))
    );
    // Question-answering files are still recognised.
    let (code, found) = checked(&golden("data/squad2-tiny.dev.json"), &[]);
    assert_eq!((code, &found["format"]), (Some(0), &json!("SQuAD 2.0")));
}

#[test]
fn a_glue_folder_is_checked_with_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    let rte = folder.path().join("rte");
    fs::create_dir(&rte).unwrap();
    for name in ["train.tsv", "dev.tsv", "test.tsv"] {
        fs::copy(golden(&format!("glue/rte/{name}")), rte.join(name)).unwrap();
    }
    let (code, found) = checked(&rte, &[]);
    assert_eq!(code, Some(0), "{found}");
    let rows: Vec<&Value> = found["files"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|file| [&file["rows"], &file["left_out"]])
        .collect();
    assert_eq!(rows, [48, 0, 24, 3, 11, 0]);
    assert_eq!(problems(&found).len(), 4);
    // As in the reference's features, which are truncated to 64.
    let features = fs::read_to_string(golden("glue/rte/features.train.jsonl")).unwrap();
    let mut lengths: Vec<u64> = features
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["length"].as_u64().unwrap()
        })
        .collect();
    lengths.sort_unstable();
    let vocab = crate::support::place::tiny_vocabulary();
    let flags = ["--vocab", vocab.to_str().unwrap(), "--max-seq-length", "64"];
    let (_, found) = checked(&rte, &flags);
    let train = &found["files"][0];
    assert_eq!(train["example_tokens"]["median"], lengths[23]);
    let longest = lengths.iter().filter(|&&length| length == 64).count();
    assert_eq!(train["cut"], longest);
}

#[test]
fn a_file_of_tags_is_checked_to_the_word() {
    let long = "un-".repeat(9);
    let text = format!("a B-A\nb I-A\n\na B-A\nb O\n\na B-A\nb I-A\n\n{long} S-B\nc O\n\nd E-A\n");
    let folder = folder(&[
        ("mine/task.json", r#"{"kind": "tagging"}"#),
        ("mine/train.txt", &text),
        ("mine/dev.txt", "a B-A\nb E-A\n\ne S-C\n\u{200b} O\n"),
    ]);
    let (code, found) = checked(&folder.path().join("mine"), &["--max-seq-length", "8"]);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(
        problems(&found),
        [
            "contradiction train.txt line 4",
            "repeated train.txt line 7",
            "also_in_train dev.txt line 1",
            "not_in_train dev.txt line 4",
            "ill_formed train.txt line 2",
            "ill_formed train.txt line 4",
            "ill_formed train.txt line 8",
            "ill_formed train.txt line 13",
            "word_cut train.txt line 10",
            "word_without_token dev.txt line 4",
        ]
    );
    let train = &found["files"][0];
    assert_eq!(
        (&train["cut"], &train["words_lost"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(train["scheme"], "BIOES");
}

/// Trains a user-defined task on the tiny model.
fn finetune(data: &Path, task: &str) {
    let model = data.join("models/m");
    let zip = golden("models/electra_tiny_projected.zip");
    checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
    let hparams = json!({
        "task_names": [task], "train_batch_size": 8, "max_seq_length": 32, "num_train_epochs": 1,
    });
    let (code, text) = told(&[
        "finetune",
        "--data-dir",
        data.to_str().unwrap(),
        "--model-name",
        "m",
        "--hparams",
        &hparams.to_string(),
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("{task}: ")), "{text}");
}

fn lines(path: PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn a_table_becomes_a_task_that_is_trained_next() {
    let mut rows = "nr,review,stars\n".to_owned();
    for number in 0..40 {
        let (word, stars) = [("splendid", "good"), ("dreadful", "bad")][number % 2];
        // Every text twice.
        rows.push_str(&format!(
            "{number},\"a {word} film, {}\",{stars}\n",
            number / 4
        ));
    }
    let folder = folder(&[("films.csv", &rows)]);
    let input = folder.path().join("films.csv");
    let task = folder.path().join("data/finetuning_data/films");
    let arguments = [
        "data",
        "classification",
        input.to_str().unwrap(),
        task.to_str().unwrap(),
        "--text",
        "review",
        "--label",
        "stars",
        "--dev-share",
        "0.2",
    ];
    let (code, text) = told(&arguments);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "films: classification, 2 labels: bad, good",
        "train.jsonl: 32 rows",
        "dev.jsonl: 8 rows",
        "electra data check ",
        "--set task_names=films",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let description: Value =
        serde_json::from_slice(&fs::read(task.join("task.json")).unwrap()).unwrap();
    assert_eq!(
        description,
        json!({"kind": "classification", "text": "review", "label": "stars", "labels": ["bad", "good"]})
    );
    let (train, dev) = (
        lines(task.join("train.jsonl")),
        lines(task.join("dev.jsonl")),
    );
    assert_eq!((train.len(), dev.len()), (32, 8));
    assert!(
        dev.iter().all(|row| !train.contains(row)),
        "one text on both sides"
    );
    assert_eq!(dev.iter().filter(|row| row["stars"] == "good").count(), 4);

    // Nothing is overwritten.
    let before = fs::read(task.join("train.jsonl")).unwrap();
    let (code, text) = told(&arguments);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("is not replaced"), "{text}");
    assert_eq!(fs::read(task.join("train.jsonl")).unwrap(), before);

    let (code, found) = checked(&task, &[]);
    assert_eq!(code, Some(0), "{found}");
    finetune(&folder.path().join("data"), "films");
}

#[test]
fn scores_pairs_and_test_files_are_taken_along() {
    let folder = folder(&[
        ("in.tsv", "a\tb\t0.5\nc\td\t4\n"),
        ("dev.tsv", "a\tc\t9\n"),
        ("test.tsv", "e\tf\t\n"),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (code, text) = told(&[
        "data",
        "classification",
        &path("in.tsv"),
        &path("pairs"),
        "--no-header",
        "--text",
        "0",
        "--text-b",
        "1",
        "--label",
        "2",
        "--dev",
        &path("dev.tsv"),
        "--test",
        &path("test.tsv"),
        "--json",
    ]);
    assert_eq!(code, Some(0), "{text}");
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&written["kind"], &written["task"]),
        (&json!("regression"), &json!("pairs"))
    );
    let pairs = folder.path().join("pairs");
    let train = lines(pairs.join("train.jsonl"));
    assert_eq!(
        train[0],
        json!({"text": "a", "text_b": "b", "label": "0.5"})
    );
    assert_eq!(
        lines(pairs.join("test.jsonl")),
        [json!({"text": "e", "text_b": "f"})]
    );
    let (code, found) = checked(&pairs, &[]);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(found["files"][1]["numbers"]["max"], 9.0);
}

#[test]
fn sentences_become_a_task_that_is_trained_next() {
    // Words of the tiny model's vocabulary.
    let text: String = (0..24)
        .map(|n| format!("old B-PER\nman I-PER\nfound O\n{n} O\n\nchurch B-LOC\n{n} O\n\n"))
        .collect();
    let folder = folder(&[("names.conll", &text)]);
    let input = folder.path().join("names.conll");
    let task = folder.path().join("data/finetuning_data/names");
    let (code, text) = told(&[
        "data",
        "tagging",
        input.to_str().unwrap(),
        task.to_str().unwrap(),
        "--dev-share",
        "0.25",
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("names: tagging, 2 types: LOC, PER"), "{text}");
    let train = lines(task.join("train.jsonl"));
    assert_eq!(train.len(), 36, "{text}");
    assert!(
        train
            .iter()
            .any(|row| row["tags"] == json!(["B-PER", "E-PER", "O", "O"]))
    );
    finetune(&folder.path().join("data"), "names");
}

#[test]
fn a_test_file_without_tags_and_a_name_with_a_blank_are_taken() {
    let folder = folder(&[
        (
            "in.jsonl",
            "{\"tokens\": [\"old\", \"man\"], \"ner_tags\": [1, 2]}\n\
             {\"tokens\": [\"found\"], \"ner_tags\": [0]}\n",
        ),
        ("test.conll", "church\nfound\n\nman\n"),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let task = path("data/finetuning_data/my names");
    let arguments = [
        "data",
        "tagging",
        &path("in.jsonl"),
        &task,
        "--test",
        &path("test.conll"),
        "--dev",
        &path("in.jsonl"),
    ];
    let (code, text) = told(&arguments);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("for labels lists no tags"), "{text}");
    let labels = ["--labels", "O,B-PER,I-PER"];
    let (code, text) = told(&[&arguments[..], &labels].concat());
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "my names: tagging, 1 type: PER",
        "test.jsonl: 2 sentences",
        &format!("\nelectra data check '{task}'\n"),
        &format!("electra finetune --data-dir {} ", path("data")),
        " --set 'task_names=my names'\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let written = |split: &str| lines(Path::new(&task).join(format!("{split}.jsonl")));
    assert_eq!(written("train")[0]["tags"], json!(["B-PER", "E-PER"]));
    let expected = [
        json!({"tokens": ["church", "found"]}),
        json!({"tokens": ["man"]}),
    ];
    assert_eq!(written("test"), expected);
    let (code, found) = checked(Path::new(&task), &[]);
    assert_eq!(code, Some(0), "{found}");
    let labelled: Vec<&Value> = (0..3)
        .map(|file| &found["files"][file]["labelled"])
        .collect();
    assert_eq!(labelled, [true, true, false]);
    let (_, text) = told(&["data", "check", &task]);
    assert!(text.contains("2 sentences, 3 words, no tags"), "{text}");
    finetune(&folder.path().join("data"), "my names");
    // The tags of a dev file are learnt from and scored: none may be missing.
    let mut arguments = arguments.map(str::to_owned);
    arguments[3] = path("other");
    arguments.swap(5, 7);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, text) = told(&[&arguments[..], &labels].concat());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("test.conll: line 1"), "{text}");
}

#[test]
fn numbers_stand_for_the_names_that_are_given() {
    let folder = folder(&[
        ("in.csv", "text,label\na,1\nb,0\nc,pos\n"),
        ("test.csv", "text,label\nd,-1\n"),
        ("more.csv", "text,label\na,2\nb,0\n"),
        ("beyond.csv", "text,label\na,0\nb,3\n"),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |input: &str, labels: &str, more: &[&str]| {
        let (input, task) = (path(input), path(&format!("task{}", labels.len())));
        let arguments = ["data", "classification", &input, &task, "--labels", labels];
        told(&[&arguments, more].concat())
    };
    let (code, text) = write("in.csv", "pos,neg", &["--test", &path("test.csv")]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 labels: pos, neg"), "{text}");
    let task = folder.path().join("task7");
    let labels: Vec<Value> = lines(task.join("train.jsonl"))
        .into_iter()
        .map(|row| row["label"].clone())
        .collect();
    assert_eq!(labels, ["neg", "pos", "pos"]);
    assert_eq!(lines(task.join("test.jsonl")), [json!({"text": "d"})]);
    let description: Value =
        serde_json::from_slice(&fs::read(task.join("task.json")).unwrap()).unwrap();
    assert_eq!(description["labels"], json!(["pos", "neg"]));
    // Numeric labels are class indices, unless all labels of the train file are names.
    for (number, (rows, expected)) in [
        ("a,0\nb,1\nc,2\n", ["1", "2", "3"]),
        ("a,1\nb,2\nc,3\n", ["1", "2", "3"]),
        ("a,3\nb,1\nc,1\n", ["3", "1", "1"]),
    ]
    .into_iter()
    .enumerate()
    {
        let input = path(&format!("stars{number}.csv"));
        fs::write(&input, format!("text,label\n{rows}")).unwrap();
        let task = path(&format!("stars{number}"));
        let (code, text) = told(&["data", "classification", &input, &task, "--labels", "1,2,3"]);
        assert_eq!(code, Some(0), "{text}");
        let written = lines(Path::new(&task).join("train.jsonl"));
        let labels: Vec<&Value> = written.iter().map(|row| &row["label"]).collect();
        assert_eq!(labels, expected, "{rows}");
    }
    for (input, labels, more, part) in [
        (
            "beyond.csv",
            "1,2,3",
            &[][..],
            "line 3: expected one of \"1\", \"2\", \"3\" as label, found \"3\"; a whole number is the place",
        ),
        (
            "more.csv",
            "a,b",
            &[][..],
            "more.csv: line 2: expected one of \"a\", \"b\"",
        ),
        (
            "in.csv",
            "a,a",
            &[],
            "at least two different names, found a, a",
        ),
        ("in.csv", "a,,b", &[], "a name between commas"),
        (
            "in.csv",
            "a,b,c",
            &["--kind", "regression"],
            "--labels names classes",
        ),
    ] {
        let (code, text) = write(input, labels, more);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn tables_of_unusual_columns_are_told_as_tables() {
    let folder = folder(&[
        ("unusual.csv", "body,label\na,b\n"),
        ("unusual.jsonl", "{\"body\": \"a\", \"label\": 1}\n"),
        ("damaged.jsonl", "{\"text\": \"a\", \"label\": \n"),
        ("damaged.csv", "text,\"label\na,b\n"),
        ("questions.csv", "id,passage,question,answers\n"),
    ]);
    for (name, parts) in [
        (
            "unusual.csv",
            ["expected a column \"text\"", "\"body\", \"label\""],
        ),
        (
            "unusual.jsonl",
            ["expected a column \"text\"", "\"body\", \"label\""],
        ),
        ("damaged.jsonl", ["damaged.jsonl: line 1", "expected"]),
        ("damaged.csv", ["damaged.csv: ", "expected"]),
    ] {
        let path = folder.path().join(name);
        let (code, text) = told(&["data", "check", path.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{name}: {text}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(!text.contains("SQuAD"), "{name}: {text}");
    }
    let path = folder.path().join("questions.csv");
    let (_, text) = told(&["data", "check", path.to_str().unwrap()]);
    assert!(text.contains("SQuAD"), "{text}");
}

#[test]
fn a_check_names_the_vocabulary_that_it_is_given() {
    let folder = folder(&[("films.csv", "text,label\na film,good\nthe film,bad\n")]);
    let model = folder.path().join("m");
    fs::create_dir(&model).unwrap();
    fs::copy(
        crate::support::place::tiny_vocabulary(),
        model.join("vocab.txt"),
    )
    .unwrap();
    fs::write(model.join("config.json"), r#"{"do_lower_case": false}"#).unwrap();
    let films = folder.path().join("films.csv");
    let check = |flags: &[&str]| {
        let films = films.to_str().unwrap();
        let (code, text) = told(&[&["data", "check", films], flags].concat());
        assert_eq!(code, Some(0), "{text}");
        text
    };
    let text = check(&["--vocab", model.to_str().unwrap()]);
    let vocab = model.join("vocab.txt").display().to_string();
    let line =
        format!("\nvocabulary: {vocab}, cased\nwith max_seq_length 128 and 2048 word pieces");
    assert!(text.contains(&line), "{text}");
    assert!(!check(&[]).contains("vocabulary: "));
    let text = check(&[]);
    assert!(
        text.contains("30522 word pieces: 0 errors, 0 warnings"),
        "{text}"
    );
}

#[test]
fn features_replace_no_file_of_their_model() {
    let run = SmallRun::new();
    let model = run.data.join("models/electra_tiny");
    for name in ["config.json", "conversion.json", "model.bpk", "vocab.txt"] {
        let output = model.join(name);
        let before = fs::read(&output).unwrap();
        let (code, text) = told(&[
            "features",
            "--data-dir",
            run.data.to_str().unwrap(),
            "--model-name",
            "electra_tiny",
            "--set",
            "task_names=squad",
            "--split",
            "train",
            "--output",
            output.to_str().unwrap(),
        ]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("is an input"), "{text}");
        assert!(fs::read(&output).unwrap() == before, "{name}");
    }
}
