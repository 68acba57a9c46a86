//! Tests the outputs of commands: never an input or a special file, and written completely or not
//! at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{electra, stderr, stdout};
use crate::support::place::tiny_vocabulary;

/// A folder with a SQuAD file, answers to it, and MRQA lines.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = json!({"data": [{"paragraphs": [{"context": "Ada wrote it.", "qas": [{
            "id": "q1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}],
        }]}]}]});
        let mrqa = json!({"context": "Ada wrote it.", "qas": [{
            "qid": "q1", "question": "Who?", "answers": ["Ada"],
            "detected_answers": [{"text": "Ada", "char_spans": [[0, 2]]}],
        }]});
        let files = Self { folder };
        fs::write(files.path("q.json"), data.to_string()).unwrap();
        fs::write(files.path("p.json"), json!({"q1": "Ada"}).to_string()).unwrap();
        fs::write(files.path("m.jsonl"), format!("{mrqa}\n")).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs `electra report` on its files.
    fn report(&self, output: &str) -> std::process::Output {
        let (data, predictions) = (self.text("q.json"), self.text("p.json"));
        let inputs = ["--data", &data, "--predictions", &predictions];
        electra(
            &[&["report"], &inputs[..], &["--output", output]].concat(),
            &[],
        )
    }
}

#[test]
#[cfg(unix)]
fn links_keep_standing_and_pipes_are_written_into() {
    use std::os::unix::fs::{FileTypeExt, symlink};

    let files = Files::new();
    symlink("/dev/null", files.path("null")).unwrap();
    symlink("/proc/self/fd/1", files.path("stdout")).unwrap();
    symlink("page.html", files.path("link.html")).unwrap();
    fs::write(files.path("page.html"), "old").unwrap();
    for output in ["null", "link.html"] {
        let output = files.report(&files.text(output));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let page = fs::read_to_string(files.path("page.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");

    let mrqa = files.text("m.jsonl");
    // Standard output gets only the file; messages go to standard error.
    let output = electra(&["data", "mrqa", &mrqa, &files.text("stdout")], &[]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let converted: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(converted["data"][0]["paragraphs"][0]["qas"][0]["id"], "q1");
    assert!(told.contains("1 question on 1 passage"), "{told}");

    let fifo = files.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read_to_string(fifo).unwrap()
    });
    let output = electra(&["data", "mrqa", &mrqa, fifo.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let through: Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert_eq!(through, converted);
    assert!(stdout(&output).contains("1 question on 1 passage"));

    let kind = |name: &str| fs::symlink_metadata(files.path(name)).unwrap().file_type();
    assert!(kind("fifo").is_fifo());
    for link in ["null", "stdout", "link.html"] {
        assert!(kind(link).is_symlink(), "{link}");
    }
}

#[test]
fn an_output_over_an_input_is_refused() {
    let files = Files::new();
    let (data, predictions) = (files.text("q.json"), files.text("p.json"));
    let mrqa = files.text("m.jsonl");
    let plots = files.path("plots");
    fs::create_dir(&plots).unwrap();
    let curves = plots.join("pr_curves.json");
    fs::write(&curves, "{\"q1\": -1.0}").unwrap();
    let (plots, odds) = (plots.to_str().unwrap(), curves.to_str().unwrap());
    let answers = files.path("preds.json");
    fs::copy(&data, &answers).unwrap();
    let (folder, questions) = (files.text(""), answers.to_str().unwrap());
    let before = |path: &str| fs::read(path).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &[
                "report",
                "--data",
                &data,
                "--predictions",
                &predictions,
                "--output",
                &data,
            ],
            data.as_str(),
        ),
        (
            &[
                "report",
                "--data",
                &data,
                "--predictions",
                &predictions,
                "--output",
                &predictions,
            ],
            &predictions,
        ),
        (&["data", "mrqa", &mrqa, &mrqa], &mrqa),
        (
            &[
                "score",
                "--data",
                &data,
                "--predictions",
                &predictions,
                "--null-odds",
                odds,
                "--plots",
                plots,
            ],
            odds,
        ),
        (
            &[
                "predict",
                "--checkpoint",
                "none",
                "--data",
                questions,
                "--output",
                &folder,
            ],
            questions,
        ),
    ];
    for (arguments, input) in cases {
        let content = before(input);
        let output = electra(arguments, &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("input"), "{arguments:?}: {told}");
        assert_eq!(before(input), content, "{arguments:?}");
    }
}

#[test]
fn features_are_written_into_a_folder_that_is_made_but_not_over_their_data() {
    let files = Files::new();
    let squad = files.path("finetuning_data/squad");
    fs::create_dir_all(&squad).unwrap();
    fs::rename(files.path("q.json"), squad.join("dev.json")).unwrap();
    let model = files.path("models/tiny");
    fs::create_dir_all(&model).unwrap();
    fs::copy(tiny_vocabulary(), model.join("vocab.txt")).unwrap();
    let features = |output: &Path| {
        let given = ["--set", "task_names=squad", "--set", "vocab_size=2048"];
        let place = ["--data-dir", &files.text(""), "--model-name", "tiny"];
        let output = ["--split", "dev", "--output", output.to_str().unwrap()];
        electra(&[&["features"], &place[..], &given, &output].concat(), &[])
    };
    let new = files.path("new/deep/dev.jsonl");
    let output = features(&new);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(new).unwrap().lines().count(), 1);
    for input in [squad.join("dev.json"), model.join("vocab.txt")] {
        let content = fs::read(&input).unwrap();
        let output = features(&input);
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        assert!(
            stderr(&output).contains("would be replaced"),
            "{}",
            stderr(&output)
        );
        assert_eq!(fs::read(&input).unwrap(), content);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_leaves_nothing_behind() {
    use std::{
        process::Command,
        time::{Duration, Instant},
    };

    let files = Files::new();
    let line = fs::read(files.path("m.jsonl")).unwrap();
    let input = files.path("in.jsonl");
    // Enough for a second or two.
    fs::write(&input, line.repeat(400_000)).unwrap();
    let folder = files.path("out");
    fs::create_dir(&folder).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["data", "mrqa"])
        .arg(&input)
        .arg(folder.join("out.json"))
        .spawn()
        .unwrap();
    // Any file that it has open in the folder is the unfinished output.
    let open = format!("/proc/{}/fd", child.id());
    let is_writing = || {
        let files = fs::read_dir(&open).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|file| file.starts_with(&folder))
    };
    let began = Instant::now();
    while !is_writing() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    let asked = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    assert!(!child.wait().unwrap().success());
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_quickstart_writes_into_no_folder_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let squad = folder.path().join("finetuning_data/squad");
    fs::create_dir_all(&squad).unwrap();
    for name in ["train.json", "dev.json"] {
        fs::write(squad.join(name), "my real data").unwrap();
    }
    let arguments = ["quickstart", "--device", "cpu", "--output"];
    let place = folder.path().to_str().unwrap();
    let output = electra(&[&arguments[..], &[place]].concat(), &[]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("the quickstart did not write"), "{told}");
    for name in ["train.json", "dev.json"] {
        assert_eq!(
            fs::read_to_string(squad.join(name)).unwrap(),
            "my real data"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
