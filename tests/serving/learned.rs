//! A tiny model that has learnt tasks other than question answering, and its evaluation.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::golden;

/// The folder of a finished run.
pub struct Learned {
    folder: tempfile::TempDir,
    tasks: String,
}

impl Learned {
    /// Trains on some of `rte`, `sts` and `chunk`, in this order.
    pub fn of(tasks: &[&str]) -> Self {
        let learned = Self::prepare(tasks);
        for file in ["train.tsv", "dev.tsv"] {
            learned.put("rte", file, &golden(&format!("glue/rte/{file}")));
            learned.put("sts", file, &golden(&format!("glue/sts/{file}")));
        }
        for file in ["train.txt", "dev.txt"] {
            learned.put("chunk", file, &golden(&format!("chunk/data/{file}")));
        }
        learned.train(tasks)
    }

    /// Trains on a user-defined task, whose files are given by name and text.
    pub fn of_own(task: &str, files: &[(&str, &str)]) -> Self {
        let learned = Self::prepare(&[task]);
        for (name, text) in files {
            fs::write(learned.data(task).join(name), text).unwrap();
        }
        learned.train(&[task])
    }

    fn prepare(tasks: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("models/m");
        let zip = golden("models/electra_tiny_projected.zip");
        checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
        Learned {
            folder,
            tasks: tasks.join(","),
        }
    }

    fn data(&self, task: &str) -> PathBuf {
        let folder = self.folder.path().join("finetuning_data").join(task);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn put(&self, task: &str, name: &str, from: &Path) {
        fs::copy(from, self.data(task).join(name)).unwrap();
    }

    #[track_caller]
    fn train(self, tasks: &[&str]) -> Self {
        let hparams = json!({
            "task_names": tasks, "train_batch_size": 8, "max_seq_length": 64,
            "num_train_epochs": 3, "learning_rate": 1e-3,
        });
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .args(["finetune", "--device", "cpu", "--model-name", "m"])
            .arg("--data-dir")
            .arg(self.folder.path())
            .args(["--hparams", &hparams.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        self
    }

    pub fn model(&self) -> PathBuf {
        let name = format!("models/m/finetuning_models/{}_model_1", self.tasks);
        self.folder.path().join(name)
    }

    /// Returns the labels of a task's head, in the order of their ids.
    pub fn labels(&self, task: &str) -> Value {
        let text = fs::read_to_string(self.model().join("config.json")).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        config["heads"][task]["labels"].clone()
    }

    /// Removes the data, as on a machine that only serves.
    pub fn without_data(self) -> Self {
        fs::remove_dir_all(self.folder.path().join("finetuning_data")).unwrap();
        self
    }

    /// Returns what the evaluation wrote about a task's dev examples.
    pub fn evaluated(&self, task: &str) -> Vec<Value> {
        let name = format!(
            "models/m/results/{}_predictions/{task}_dev.jsonl",
            self.tasks
        );
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

/// Returns the texts of a dev row of `rte` or `sts`, which an evaluation identifies by its number.
pub fn pair(task: &str, eid: &Value) -> [String; 2] {
    let text = fs::read_to_string(golden(&format!("glue/{task}/dev.tsv"))).unwrap();
    // The first line is the header.
    let line = text
        .lines()
        .nth(1 + eid.as_u64().unwrap() as usize)
        .unwrap();
    let cells: Vec<&str> = line.split('\t').collect();
    let first = match task {
        "rte" => 1,
        _ => cells.len() - 3,
    };
    [first, first + 1].map(|place| cells[place].to_owned())
}

/// Returns the sentences of the chunking dev file, as words.
pub fn sentences() -> Vec<Vec<String>> {
    let text = fs::read_to_string(golden("chunk/data/dev.txt")).unwrap();
    let sentences = text.split("\n\n").map(|sentence| {
        let words = sentence
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        words.map(str::to_owned).collect()
    });
    sentences.collect()
}
