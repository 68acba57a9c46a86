//! A run that was evaluated, without its model: data and the reference's recorded predictions for
//! them, in a run's layout.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;

use super::place::golden;

/// A data folder, and the tasks of a run in it.
pub struct EvaluatedRun {
    pub folder: tempfile::TempDir,
    tasks: &'static [&'static str],
}

impl EvaluatedRun {
    /// Creates a run of some of rte, sts, chunk, squad, mnli and the user-defined task names.
    pub fn new(tasks: &'static [&'static str]) -> Self {
        let run = Self {
            folder: tempfile::tempdir().unwrap(),
            tasks,
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let vocab = root.join("assets/quickstart/vocab.txt");
        fs::copy(vocab, run.folder.path().join("vocab.txt")).unwrap();
        for task in tasks {
            match *task {
                "rte" => run.of_text("rte", "predictions.dev.learned.jsonl"),
                "sts" => run.of_text("sts", "predictions.dev.trained.jsonl"),
                "chunk" => run.of_chunk(),
                "squad" => run.of_squad(),
                "mnli" => run.of_mnli(),
                "names" => run.of_names(),
                other => panic!("no data of {other}"),
            }
        }
        run
    }

    /// Returns the path of a file of a task's data.
    pub fn data(&self, task: &str, name: &str) -> PathBuf {
        self.place(&format!("finetuning_data/{task}"), name)
    }

    /// Returns the path of the predictions for a task's split.
    pub fn predictions(&self, task: &str, split: &str) -> PathBuf {
        let folder = format!("models/m/results/{}_predictions", self.tasks.join(","));
        self.place(&folder, &format!("{task}_{split}.jsonl"))
    }

    fn place(&self, folder: &str, name: &str) -> PathBuf {
        let folder = self.folder.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        folder.join(name)
    }

    fn of_text(&self, task: &str, predictions: &str) {
        let from = |name: &str| golden(&format!("glue/{task}/{name}"));
        fs::copy(from("dev.tsv"), self.data(task, "dev.tsv")).unwrap();
        fs::copy(from(predictions), self.predictions(task, "dev")).unwrap();
    }

    fn of_chunk(&self) {
        for split in ["train", "dev", "test"] {
            let name = format!("{split}.txt");
            let from = golden(&format!("chunk/data/{name}"));
            fs::copy(from, self.data("chunk", &name)).unwrap();
        }
        let from = golden("chunk/eval/predictions.dev.learned.jsonl");
        fs::copy(from, self.predictions("chunk", "dev")).unwrap();
    }

    fn of_squad(&self) {
        let from = golden("data/squad2-tiny.dev.json");
        fs::copy(from, self.data("squad", "dev.json")).unwrap();
        let answers = format!("models/m/results/{}_qa", self.tasks.join(","));
        for (name, from) in [
            ("squad_preds.json", "eval/squad2-tiny.bert.preds.json"),
            (
                "squad_null_odds.json",
                "eval/squad2-tiny.bert.null_odds.json",
            ),
        ] {
            fs::copy(golden(from), self.place(&answers, name)).unwrap();
        }
    }

    fn of_mnli(&self) {
        for (split, file, predicted) in [
            ("dev", "dev_matched", [0, 1, 2, 0]),
            ("dev_mismatched", "dev_mismatched", [0, 1, 1, 1]),
        ] {
            let (mut rows, mut lines) = ("header\n".to_owned(), String::new());
            let names = ["contradiction", "entailment", "neutral", "contradiction"];
            for (eid, (name, class)) in names.into_iter().zip(predicted).enumerate() {
                let text = format!("A <script> of {file}");
                rows.push_str(&format!(
                    "{}{text} {eid}\tB {eid}\t{name}\n",
                    "x\t".repeat(8)
                ));
                let mut logits = [0.0; 3];
                logits[class] = 1.0 + eid as f64;
                let gold = eid % 3;
                let line =
                    json!({"eid": eid, "label_id": gold, "prediction": class, "logits": logits});
                lines.push_str(&format!("{line}\n"));
            }
            fs::write(self.data("mnli", &format!("{file}.tsv")), rows).unwrap();
            fs::write(self.predictions("mnli", split), lines).unwrap();
        }
    }

    fn of_names(&self) {
        let words = "Ada B-PER\nLovelace I-PER\nmet O\n<script> B-LOC\n\nBabbage B-PER\nleft O\nLondon B-LOC\n";
        fs::write(self.data("names", "train.txt"), words).unwrap();
        fs::write(self.data("names", "dev.txt"), words).unwrap();
        fs::write(self.data("names", "task.json"), r#"{"kind": "tagging"}"#).unwrap();
        // B, E, I and S of LOC and PER, with O between: 0 … 3 LOC without S, 4 O …
        let names = [
            "B-LOC", "B-PER", "E-LOC", "E-PER", "I-LOC", "I-PER", "O", "S-LOC", "S-PER",
        ];
        let ids = |tags: &[&str]| -> Vec<usize> {
            let place = |tag: &&str| names.iter().position(|name| name == tag).unwrap();
            tags.iter().map(place).collect()
        };
        let line = |eid: usize, gold: &[&str], predicted: &[&str]| {
            let logits = ids(predicted).into_iter().map(|tag| {
                let mut logits = [0.0; 9];
                logits[tag] = 2.0;
                logits
            });
            let logits: Vec<_> = logits.collect();
            json!({
                "eid": eid, "labels": ids(gold), "predictions": ids(predicted), "logits": logits, "loss": 0.5,
            })
        };
        let lines = [
            line(
                0,
                &["B-PER", "E-PER", "O", "S-LOC"],
                &["S-PER", "O", "O", "S-PER"],
            ),
            line(1, &["S-PER", "O", "S-LOC"], &["S-PER", "S-LOC", "O"]),
        ];
        let text = format!("{}\n{}\n", lines[0], lines[1]);
        fs::write(self.predictions("names", "dev"), text).unwrap();
    }

    /// Runs `electra report` on the run.
    pub fn report(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .args(["report", "--model-name", "m", "--data-dir"])
            .arg(self.folder.path())
            .args(["--set", &format!("task_names={}", self.tasks.join(","))])
            .args(["--set", "max_seq_length=48", "--set", "vocab_size=2048"])
            .args(more);
        if !more.contains(&"--output") {
            command.arg("--output").arg(self.page());
        }
        command.output().unwrap()
    }

    pub fn page(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }

    /// Returns the page, and the standard output.
    #[track_caller]
    pub fn html(&self, more: &[&str]) -> (String, String) {
        let output = self.report(more);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let page = fs::read_to_string(self.page()).unwrap();
        (page, String::from_utf8(output.stdout).unwrap())
    }

    /// Returns the message if no page can be made.
    #[track_caller]
    pub fn refuse(&self, more: &[&str]) -> String {
        let output = self.report(more);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(!self.page().exists(), "{stderr}");
        stderr
    }
}
