//! Tests user-defined tasks after training: which predictions a report uses, and how files with
//! other column names are answered, on this machine and on another.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::support::golden;

const TASKS: &str = "plants,names";

/// Creates a data folder with a model of two tasks, whose tables have their own column names.
fn trained() -> &'static Path {
    static TRAINED: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = TRAINED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("models/m");
        let zip = golden("models/electra_tiny_projected.zip");
        checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join("finetuning_data").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "plants/task.json",
            r#"{"kind": "classification", "text": "body", "label": "sort", "id": "nr"}"#,
        );
        let rows = "nr,body,sort\n1,an old tree,wood\n2,a man,none\n3,a tree,wood\n";
        put("plants/train.csv", rows);
        put("plants/dev.csv", rows);
        put("names/task.json", r#"{"kind": "tagging"}"#);
        let sentences = "old B-PER\nman I-PER\nfound O\n\nchurch B-LOC\nfound O\n\n";
        put("names/train.txt", sentences);
        put("names/dev.txt", sentences);
        let hparams = json!({
            "task_names": ["plants", "names"], "train_batch_size": 8, "max_seq_length": 16,
            "num_train_epochs": 1,
        });
        let output = on_run(
            "finetune",
            folder.path(),
            &["--hparams", &hparams.to_string()],
        );
        assert!(output.status.success(), "{output:?}");
        folder
    });
    folder.path()
}

fn electra() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.env("ELECTRA_DEVICE", "cpu");
    command
}

/// Returns a command on the run in a data folder.
fn on_run(command: &str, data: &Path, flags: &[&str]) -> Output {
    let mut run = electra();
    run.args([command, "--model-name", "m", "--data-dir"])
        .arg(data);
    run.args(flags).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn model() -> PathBuf {
    trained().join(format!("models/m/finetuning_models/{TASKS}_model_1"))
}

#[test]
fn a_report_is_of_the_texts_and_the_figures_that_were_evaluated() {
    let data = trained();
    let page = data.join("page.html");
    // The tasks in a different order from the run's.
    let tasks = "task_names=names,plants";
    let report = || {
        let output = page.to_str().unwrap();
        on_run("report", data, &["--set", tasks, "--output", output])
    };
    let output = report();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let order = "task_names in the order of the run: plants,names";
    assert!(said(&output).contains(order), "{}", said(&output));
    assert!(
        !said(&output).contains("in the results"),
        "{}",
        said(&output)
    );
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("<th>checkpoint</th>"), "no origin");
    assert!(html.contains("finetune --model-name m"), "no command");
    assert!(!html.contains("have no record"));

    let results = data.join(format!("models/m/results/{TASKS}_results.json"));
    let before = fs::read_to_string(&results).unwrap();
    let mut changed: Value = serde_json::from_str(&before).unwrap();
    let accuracy = changed[0]["plants"]["accuracy"].as_f64().unwrap();
    changed[0]["plants"]["accuracy"] = json!(99.5);
    fs::write(&results, changed.to_string()).unwrap();
    let output = report();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let dispute =
        format!("plants: accuracy is 99.5 in the results, but {accuracy} from the predictions");
    assert!(said(&output).contains(&dispute), "{}", said(&output));
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains(&format!("<b>{dispute}")), "{dispute}");
    fs::write(&results, before).unwrap();

    for (file, from, to) in [
        ("plants/dev.csv", "a man", "a woman"),
        ("names/dev.txt", "church", "chapel"),
    ] {
        let path = data.join("finetuning_data").join(file);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, before.replace(from, to)).unwrap();
        fs::remove_file(&page).unwrap();
        let output = report();
        let told = said(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        for part in [
            "_dev.jsonl: expected predictions of the texts in ",
            file,
            "evaluate the run again",
        ] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
        assert!(!page.exists());
        fs::write(&path, before).unwrap();
        assert_eq!(report().status.code(), Some(0));
    }

    // Evaluated again, the results are in the same place as the run's.
    fs::remove_file(&results).unwrap();
    let output = on_run("evaluate", data, &["--set", tasks]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains(order), "{}", said(&output));
    assert!(results.is_file());
}

/// Returns what predict writes for a file, and what it says.
fn predicted(checkpoint: &Path, name: &str, text: &str) -> Result<(Vec<Value>, String), String> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(name);
    fs::write(&data, text).unwrap();
    let output = electra()
        .args(["predict", "--checkpoint"])
        .arg(checkpoint)
        .arg("--data")
        .arg(&data)
        .arg("--output")
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    if output.status.code() != Some(0) {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        return Err(said(&output));
    }
    let lines = fs::read_to_string(folder.path().join("out/predictions.jsonl")).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    Ok((lines.collect(), said(&output)))
}

#[test]
fn a_table_is_read_by_the_columns_of_the_task_or_by_usual_ones() {
    // As on another machine, without the data.
    let elsewhere = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.bpk", "vocab.txt"] {
        fs::copy(model().join(file), elsewhere.path().join(file)).unwrap();
    }
    let config = elsewhere.path().join("config.json");
    let mut described: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    let columns = json!({"text": "body", "label": "sort", "id": "nr"});
    assert_eq!(described["heads"]["plants"]["columns"], columns);
    described["data_dir"] = json!("nowhere");
    described["raw_data_dir"] = json!("nowhere/{}");
    fs::write(&config, described.to_string()).unwrap();

    for checkpoint in [&model(), elsewhere.path()] {
        for (name, text, from, labelled) in [
            (
                "own.csv",
                "nr,body,sort\n7,a tree,wood\n",
                "text from column \"body\", label from column \"sort\", id from column \"nr\"",
                true,
            ),
            (
                "own.jsonl",
                "{\"body\": \"a tree\"}\n",
                "text from column \"body\"",
                false,
            ),
            (
                "usual.csv",
                "text\na tree\n",
                "text from column \"text\"",
                false,
            ),
            (
                "usual.tsv",
                "sentence\tsort\na tree\twood\n",
                "text from column \"sentence\", label from column \"sort\"",
                true,
            ),
            (
                "usual.csv",
                "review,label\na tree,wood\n",
                "text from column \"review\", label from column \"label\"",
                true,
            ),
        ] {
            let (lines, told) = predicted(checkpoint, name, text).unwrap();
            assert_eq!(lines[0]["text"], "a tree", "{name}");
            assert_eq!(
                lines[0].get("label_id").is_some(),
                labelled,
                "{name}: {text}"
            );
            assert!(told.contains(from), "{name}: {told}");
            assert!(
                told.contains("using task plants of plants, names"),
                "{told}"
            );
        }
        let told = predicted(checkpoint, "other.csv", "words\na tree\n").unwrap_err();
        for part in [
            "other.csv: expected the column \"body\" for text, or columns of the usual names",
            "found the columns \"words\"",
            "call the file's columns text",
        ] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
        assert!(!told.contains("task.json"), "{told}");
    }
}

#[test]
fn a_model_that_is_not_fine_tuned_names_those_that_are() {
    let ask = |flags: &[&str]| {
        let pre_trained = trained().join("models/m");
        let mut command = electra();
        command.args(["ask", "--checkpoint"]).arg(pre_trained);
        let output = command.args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        said(&output)
    };
    let there = format!("{TASKS}_model_1 was fine-tuned from it");
    for (flags, part) in [
        (
            &["--text", "a tree"][..],
            "found one without a head for any task; fine-tune it with electra finetune; ",
        ),
        (
            &["--question", "Who?", "--passage", "Ada."],
            "expected a fine-tuned model with its question-answering head",
        ),
    ] {
        let told = ask(flags);
        assert!(told.contains(part) && told.contains(&there), "{told}");
    }
}
