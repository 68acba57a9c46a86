//! A run of the real program that takes a few seconds: a tiny model and a small piece of SQuAD.
#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::place::golden;

/// A data folder, and the flags of a run in it.
pub struct SmallRun {
    pub data: PathBuf,
    pub device: &'static str,
    /// Hyper-parameters that override those of [`SmallRun::hparams`], as `--set` takes them.
    pub sets: Vec<String>,
    /// Deleted with the run, unless the folder existed before.
    _own: Option<tempfile::TempDir>,
}

impl SmallRun {
    pub fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut run = Self::in_folder(own.path());
        run._own = Some(own);
        run
    }

    /// Creates a run in a folder that is kept.
    pub fn in_folder(data: &Path) -> Self {
        let model = data.join("models/electra_tiny");
        let zip = golden("models/electra_tiny.zip");
        checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
        let squad = data.join("finetuning_data/squad");
        fs::create_dir_all(&squad).unwrap();
        fs::copy(
            golden("data/squad2-tiny.train.json"),
            squad.join("train.json"),
        )
        .unwrap();
        Self {
            data: data.to_owned(),
            device: "cpu",
            sets: Vec::new(),
            _own: None,
        }
    }

    /// Creates a run of three trials, which are evaluated and of which the last model is kept.
    pub fn of_trials() -> Self {
        let mut run = Self::new();
        let squad = run.data.join("finetuning_data/squad");
        fs::copy(golden("data/squad2-tiny.dev.json"), squad.join("dev.json")).unwrap();
        run.sets = [
            "num_trials=3",
            "keep_all_models=false",
            "do_eval=true",
            "num_train_epochs=0.5",
        ]
        .map(str::to_owned)
        .into();
        run
    }

    pub fn hparams() -> serde_json::Value {
        serde_json::json!({
            "task_names": ["squad"], "model_size": "large", "vocab_size": 2048,
            "model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 4},
            "max_seq_length": 128, "train_batch_size": 4, "num_train_epochs": 1,
            "save_checkpoints_steps": 3, "do_eval": false,
        })
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .args(["finetune", "--device", self.device])
            .args(["--model-name", "electra_tiny"])
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--hparams", &Self::hparams().to_string()])
            .args(self.sets.iter().flat_map(|set| ["--set", set]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    /// Starts it and kills it once it has a checkpoint.
    pub fn stop_at_first_checkpoint(&self) {
        let mut child = self.start();
        self.wait_for_checkpoint(1);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until a trial has any complete checkpoint; the first is removed once there are enough.
    #[track_caller]
    pub fn wait_for_checkpoint(&self, trial: usize) {
        let is_whole = |name: &str| {
            let step = name.strip_prefix("checkpoint-");
            step.is_some_and(|step| step.parse::<u64>().is_ok())
        };
        wait_until(&format!("a checkpoint of trial {trial}"), || {
            let entries = fs::read_dir(self.trial_dir(trial)).into_iter().flatten();
            let mut names = entries.flatten().map(|entry| entry.file_name());
            names.any(|name| name.to_str().is_some_and(is_whole))
        });
    }

    /// Runs to the end.
    #[track_caller]
    pub fn finish(&self) -> Output {
        let output = self.start().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        output
    }

    /// Runs until it fails with this code, and returns its standard error.
    #[track_caller]
    pub fn fail(&self, code: i32) -> String {
        let output = self.start().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        stderr
    }

    /// Returns the folder of the first trial's model.
    pub fn model_dir(&self) -> PathBuf {
        self.trial_dir(1)
    }

    pub fn trial_dir(&self, trial: usize) -> PathBuf {
        self.data.join(format!(
            "models/electra_tiny/finetuning_models/squad_model_{trial}"
        ))
    }

    pub fn results_dir(&self) -> PathBuf {
        self.data.join("models/electra_tiny/results")
    }

    /// Returns the answers of one of several trials.
    pub fn preds_of(&self, trial: usize) -> PathBuf {
        self.results_dir()
            .join(format!("squad_qa/squad_preds_{trial}.json"))
    }

    /// Returns the bytes of every result file, by path below the results folder. Leaves out the
    /// report and the records of the answers' origin, which contain times and paths.
    pub fn results(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.results_dir()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !["html", "provenance.json"]
                    .iter()
                    .any(|end| path.to_string_lossy().ends_with(end))
                {
                    let below = path.strip_prefix(self.results_dir()).unwrap();
                    files.insert(below.to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    pub fn record(&self) -> Vec<u8> {
        self.record_of(1)
    }

    pub fn record_of(&self, trial: usize) -> Vec<u8> {
        fs::read(self.trial_dir(trial).join("model.bpk")).unwrap()
    }

    /// Returns the steps in the log, in order.
    pub fn steps(&self) -> Vec<u64> {
        self.steps_of(1)
    }

    pub fn steps_of(&self, trial: usize) -> Vec<u64> {
        let log = fs::read_to_string(self.trial_dir(trial).join("train_log.jsonl")).unwrap();
        log.lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["step"].as_u64().unwrap()
            })
            .collect()
    }

    /// Asserts that no temporary files are left.
    #[track_caller]
    pub fn assert_tidy(&self) {
        self.assert_tidy_of(1);
    }

    #[track_caller]
    pub fn assert_tidy_of(&self, trial: usize) {
        for entry in fs::read_dir(self.trial_dir(trial)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let scratch = ["tmp", "old", "damaged", ".electra-"];
            assert!(!scratch.iter().any(|part| name.contains(part)), "{name}");
        }
    }
}

/// Longer than a run takes to reach any point, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Sends a signal, named as for `kill`.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits until one of `paths` exists, such as a short-lived one and its successor.
#[track_caller]
pub fn wait_for_any(paths: &[&Path]) {
    wait_until(&format!("{paths:?}"), || {
        paths.iter().any(|path| path.exists())
    });
}

/// Waits until `path` exists.
#[track_caller]
pub fn wait_for(path: &Path) {
    wait_for_any(&[path]);
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
